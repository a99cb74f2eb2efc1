"""The systems that ours is compared with, on a small real bundle: they must answer the same."""

import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from models.bundle import load
from serving.bench.comparing import Decisions, Told, decisions_of
from serving.bench.load import Load
from serving.bench.systems import in_process, stock, stock_full, tfidf
from serving.bench.systems.catalogue import (
    BENTO,
    HOST,
    IN_PROCESS,
    OURS_CACHED,
    SYSTEMS,
    environment,
)
from tests.conftest import Tickets
from tests.serving.test_service import Published, published

__all__ = ["published"]


@pytest.fixture
def bundle(published: Published, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = published.store.root / published.manifest.version
    monkeypatch.setenv("BENCH_BUNDLE", str(folder))
    return folder


def answers(app: FastAPI, texts: list[str]) -> list[Decisions]:
    with TestClient(app) as client:
        assert client.get("/readyz").status_code == 200
        return [
            decisions_of(client.post("/v1/predict", json={"text": text}).json()) for text in texts
        ]


def test_the_stock_services_decide_as_the_assistant_does(bundle: Path, tickets: Tickets) -> None:
    texts = tickets.texts[:20]
    _, assistant = load(bundle)
    expected = [decisions_of(assistant.predict([t])[0].model_dump()) for t in as_tickets(texts)]
    assert len({json.dumps(found) for found in expected}) > 3
    assert answers(stock.create_app(), texts) == expected
    assert answers(stock_full.create_app(), texts) == expected


def test_the_linear_service_gives_the_label_and_decides_nothing(
    bundle: Path, tickets: Tickets
) -> None:
    texts = tickets.texts[:5]
    _, assistant = load(bundle)
    for text, found in zip(texts, answers(tfidf.create_app(), texts), strict=True):
        told = assistant.predict(as_tickets([text]))[0].targets
        assert found == {target: Told(one.label, None) for target, one in told.items()}


def test_the_runtime_alone_answers_in_calls_of_the_size_asked_for(
    bundle: Path, tickets: Tickets, tmp_path: Path
) -> None:
    _, assistant = load(bundle)
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(tickets.texts))
    found = in_process.answer(assistant, Load(texts=texts, clients=4, seconds=0.2, warm=0.05))
    assert len(found.milliseconds) % 4 == 0
    assert found.milliseconds[0] == found.milliseconds[3]
    assert sum(found.milliseconds[::4]) / 1000 == pytest.approx(found.seconds, rel=0.1)
    assert 0 < found.cpu_seconds <= found.seconds * 1.5
    with pytest.raises(ValueError, match="no open loop"):
        in_process.answer(assistant, Load(texts=texts, rate=4.0, seconds=0.2))


def test_every_system_can_be_started_with_one_thread_per_worker(tmp_path: Path) -> None:
    for system in SYSTEMS.values():
        told = environment(system, 2, tmp_path / "store", tmp_path / "bundle", tmp_path / "kept")
        assert told["OMP_NUM_THREADS"] == told["TICKETS_THREADS"] == "1"
        assert told["TICKETS_WORKERS"] == told["BENCH_WORKERS"] == "2"
        if system.start is None:
            assert system.name == IN_PROCESS
            continue
        command = system.start(4711, 2)
        assert command[command.index("--host") + 1] == HOST
        assert "4711" in command
    assert SYSTEMS[BENTO].listed


def test_answers_are_remembered_only_where_that_is_measured(tmp_path: Path) -> None:
    for system in SYSTEMS.values():
        told = environment(system, 1, tmp_path / "store", tmp_path / "bundle", tmp_path / "kept")
        assert told["TICKETS_CACHE"] == ("process" if system.name == OURS_CACHED else "off")


def as_tickets(texts: list[str]):
    from data.schema import Ticket

    return [Ticket(text=text) for text in texts]
