"""The load generator against a server whose speed and faults are known."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from serving.bench import generator
from serving.bench.generator import send
from serving.bench.load import HttpLoad, Outcome
from tests.conftest import ROOT
from tests.serving.bench.http_fake import Answer, FakeServer, answering

TEXTS = [f"printer {i} is down" for i in range(40)]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.json"
    path.write_text(json.dumps(TEXTS))
    return path


def sent(answer: Answer, texts: Path, **load: object) -> tuple[Outcome, FakeServer]:
    async def run() -> tuple[Outcome, FakeServer]:
        async with answering(answer) as server:
            asked = HttpLoad.model_validate({"texts": texts, "port": server.port, **load})
            return await send(asked), server

    return asyncio.run(run())


async def at_once(_: bytes) -> int:
    return 200


async def after_20_ms(_: bytes) -> int:
    await asyncio.sleep(0.02)
    return 200


def test_each_client_of_a_closed_loop_has_one_request_at_a_time(texts: Path) -> None:
    found, _ = sent(after_20_ms, texts, clients=4, seconds=0.6, warm=0.1)
    assert found.failures == {}
    # 4 clients that wait 20 ms each cannot get more than 200 answers a second.
    assert 40 < len(found.milliseconds) <= 0.6 * 200 + 4
    assert min(found.milliseconds) >= 19
    assert found.seconds == 0.6
    assert 0 < found.cpu_seconds < 0.6


def test_no_text_is_asked_twice_and_none_is_left_out(texts: Path) -> None:
    _, server = sent(at_once, texts, clients=2, seconds=0.2)
    bodies = [json.loads(body)["text"] for body in server.bodies]
    assert len(bodies) > len(TEXTS)
    assert len(set(bodies)) == len(bodies)
    assert {text.split("\n")[0] for text in bodies[: len(TEXTS)]} == set(TEXTS)


def test_a_client_takes_a_new_connection_now_and_then(
    texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "RECONNECT", 10)
    _, server = sent(at_once, texts, clients=1, seconds=0.2)
    assert server.connections == pytest.approx(len(server.bodies) / 10, abs=2)


def test_other_statuses_and_broken_connections_are_failures_and_are_not_timed(
    texts: Path,
) -> None:
    async def answer(body: bytes) -> int:
        await asyncio.sleep(0.002)
        number = int(json.loads(body)["text"].split()[1])
        return {0: 503, 1: 0}.get(number % 4, 200)

    found, server = sent(answer, texts, clients=2, seconds=0.5)
    assert set(found.failures) == {"503", "ConnectionResetError"}
    answered = len(found.milliseconds) + sum(found.failures.values())
    assert answered == pytest.approx(len(server.bodies), abs=2)


def test_the_warm_up_is_not_counted(texts: Path) -> None:
    began: list[float] = []

    async def answer(_: bytes) -> int:
        began.append(time.monotonic())
        await asyncio.sleep(0.005)
        # Whatever comes within the first 0.3 s fails.
        return 200 if time.monotonic() - began[0] > 0.3 else 500

    found, _ = sent(answer, texts, clients=1, seconds=0.3, warm=0.4)
    assert found.failures == {}
    assert found.milliseconds


def test_an_open_loop_sends_at_its_rate_whatever_the_server_does(texts: Path) -> None:
    found, server = sent(after_20_ms, texts, rate=200, seconds=1.0, warm=0.1)
    expected = 200 * 1.1
    assert abs(len(server.bodies) - expected) < 5 * np.sqrt(expected)
    assert found.failures == {}
    # One at a time the server could answer 50 a second: more were under way at once.
    assert len(found.milliseconds) > 120
    assert len(found.late) == len(found.milliseconds)


def test_latency_counts_from_when_a_request_was_due(texts: Path) -> None:
    stalled: list[float] = []
    lock = asyncio.Lock()

    async def answer(_: bytes) -> int:
        async with lock:
            if not stalled:
                stalled.append(1)
                await asyncio.sleep(0.5)
        return 200

    found, _ = sent(answer, texts, rate=100, seconds=1.0)
    # All that were due during the stall waited for its end: about half of them, each its rest.
    late = [ms for ms in found.milliseconds if ms > 50]
    assert 25 < len(late) < 75
    assert 400 < max(late) < 700


def test_what_is_never_answered_has_failed(texts: Path) -> None:
    async def never(_: bytes) -> int:
        await asyncio.sleep(60)
        return 200

    found, _ = sent(never, texts, clients=3, seconds=0.1, patience=0.2)
    assert found.failures == {"unanswered": 3}
    assert found.milliseconds == ()


def test_a_server_that_is_not_there_fails_every_request(texts: Path) -> None:
    load = HttpLoad(texts=texts, port=1, clients=2, seconds=0.25)
    found = asyncio.run(send(load))
    assert set(found.failures) == {"ConnectionRefusedError"}
    assert found.milliseconds == ()


def test_what_is_no_http_fails(texts: Path) -> None:
    async def run() -> Outcome:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await send(HttpLoad(texts=texts, port=port, clients=1, seconds=0.2))

    found = asyncio.run(run())
    assert found.milliseconds == ()
    assert sum(found.failures.values()) >= 1


def test_the_command_reads_a_load_and_tells_when_it_begins(texts: Path) -> None:
    load = HttpLoad(texts=texts, port=1, clients=1, seconds=0.2, warm=0.1)
    done = subprocess.run(
        [sys.executable, "-m", "serving.bench.generator"], cwd=ROOT, check=True,
        input=load.model_dump_json() + "\n", capture_output=True, text=True,
    )  # fmt: skip
    begin, outcome = done.stdout.splitlines()
    assert begin == "begin"
    assert Outcome.model_validate_json(outcome).failures
