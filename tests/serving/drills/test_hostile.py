"""Hostile requests to servers that refuse them, swallow them, or grow."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from serving.drills import hostile
from serving.drills.hostile import refused, request, send
from serving.problems import MEDIA_TYPE
from tests.serving.drills.stand_in import StandIn


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status, media_type = self.server.told
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def stage(tmp_path: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setattr(hostile, "TIMES", 2)
    monkeypatch.setattr(hostile, "AFTER", 0.0)
    stage = StandIn(tmp_path, port=server.server_address[1])
    stage.answers()
    return stage


act = refused(lambda: {"wifi": request(b"wifi")}, frozenset({431}))


def test_a_refusal_as_a_problem_keeps_the_promise(
    stage: StandIn, server: ThreadingHTTPServer
) -> None:
    server.told = 431, MEDIA_TYPE
    found = act(stage)
    assert found.broken == []
    assert "wifi [431]" in found.observed[0]


@pytest.mark.parametrize(
    ("told", "seen"),
    [((200, MEDIA_TYPE), "wifi: 200"), ((431, "text/plain"), "wifi: 431 text/plain")],
)
def test_any_other_answer_breaks_it_and_is_told_once(
    stage: StandIn, server: ThreadingHTTPServer, told: tuple[int, str], seen: str
) -> None:
    server.told = told
    (broken,) = act(stage).broken
    assert broken.startswith(seen)


def test_others_that_fail_and_memory_that_grows_break_it(
    stage: StandIn, server: ThreadingHTTPServer
) -> None:
    server.told = 431, MEDIA_TYPE
    stage.server.mib = [100.0, 400.0]
    stage.fails("/v1/predict", "503")
    assert act(stage).broken == [
        "memory grew by 300 MiB: something was unpacked", "others failed: 1 x 503",
    ]  # fmt: skip


def test_no_answer_is_no_status(server: ThreadingHTTPServer) -> None:
    class Silent(BaseHTTPRequestHandler):
        def handle(self) -> None:
            pass

    server.RequestHandlerClass = Silent
    assert send(server.server_address[1], b"") == (0, "")


def test_what_is_sent_is_what_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile, "UNPACKED", 1_000_000)
    assert all(len(content) < 10_000 for content in hostile.bombs().values())
    for name, content in hostile.not_utf8().items():
        body = content.partition(b"\r\n\r\n")[2]
        with pytest.raises(ValueError):
            json.loads(body.decode("utf-8"))["text"].encode("utf-8")
            pytest.fail(f"{name} is a ticket")
    assert all(len(content) < 2**20 + 1_000 for content in hostile.deep().values())
    assert all(len(content) > 2**20 - 100_000 for content in hostile.floods().values())
