"""Two machines that share answers over HTTP: asked once, erased at one, forgotten by both."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.jobs import Jobs
from serving.settings import Settings
from serving.telemetry import Telemetry
from tests.redis_server import RedisServer, run_redis
from tests.serving.fakes import VERSION, MemoryStore, RuleAssistant, make_manifest
from tests.serving.store_fakes import FakeStore, opened_archive


class Machines(NamedTuple):
    one: TestClient
    other: TestClient
    rule: RuleAssistant
    redis: RedisServer


@pytest.fixture
def machines(
    tmp_path: Path,
    assistants: Assistants,
    store: MemoryStore,
    rule: RuleAssistant,
    telemetry: Telemetry,
) -> Iterator[Machines]:
    store.publish()
    assistants.refresh()
    kept = FakeStore()
    with ExitStack() as stack:
        redis = stack.enter_context(run_redis(tmp_path))
        clients = []
        for name in ("one", "other"):
            folder = tmp_path / name
            told = {
                "cache": "redis", "cache_url": redis.url, "salt": "9f1c0b7d2e6a4835",
                "jobs_folder": folder / "jobs", "redis_timeout_seconds": 5.0,
            }  # fmt: skip
            jobs = Jobs(folder / "jobs", 50, 50, timedelta(hours=1))
            archive = stack.enter_context(opened_archive(kept, folder, **told))
            archive.know(VERSION, make_manifest().targets)
            app = create_app(
                Settings.model_validate(told), assistants, Batcher(), telemetry, archive=archive,
                jobs=jobs,
            )  # fmt: skip
            clients.append(stack.enter_context(TestClient(app)))
        yield Machines(*clients, rule, redis)


def ask(client: TestClient, text: str = "wifi", **ticket: str) -> None:
    assert client.post("/v1/predict", json={"text": text, **ticket}).status_code == 200


def test_a_ticket_is_computed_once_for_all_machines(machines: Machines) -> None:
    for client in (machines.one, machines.other, machines.one):
        ask(client)
    assert len(machines.rule.calls) == 1


def test_an_erasure_at_one_machine_is_forgotten_by_all(machines: Machines) -> None:
    ask(machines.one, id="T-1")
    ask(machines.other, id="T-2")
    assert len(machines.rule.calls) == 1
    assert machines.one.delete("/v1/tickets/T-1").status_code == 200
    ask(machines.other)
    assert len(machines.rule.calls) == 2


def test_tickets_are_answered_while_redis_is_gone_and_an_erasure_asks_to_be_repeated(
    machines: Machines,
) -> None:
    ask(machines.one, id="T-1")
    machines.redis.stop()
    for _ in range(3):
        ask(machines.other)
    assert len(machines.rule.calls) == 4
    assert machines.one.delete("/v1/tickets/T-1").status_code == 503
    machines.redis.start()
    assert machines.one.delete("/v1/tickets/T-1").status_code == 200


def test_what_was_shared_is_counted_and_so_is_what_could_not_be(machines: Machines) -> None:
    ask(machines.one)
    machines.redis.stop()
    ask(machines.one)
    ask(machines.one)
    told = machines.one.get("/metrics").text
    assert "tickets_cache_failures_total 1.0" in told
    assert "tickets_cache_unasked_total 1.0" in told
