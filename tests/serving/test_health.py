import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from data.errors import StoreError
from data.outbox import Outbox, open_outbox
from data.outbox_records import Outcome
from data.sql import open_sql_store
from serving import health
from serving.app import create_app
from serving.archive import Archive
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.jobs import Jobs
from serving.permissions import HEALTH_READ, ROUTES
from serving.settings import Settings
from serving.telemetry import Telemetry
from serving.webhook_delivery import Delivery
from serving.webhook_endpoints import Endpoints
from serving.webhook_metrics import WebhookMetrics
from tests.redis_server import run_redis
from tests.serving.fakes import VERSION, MemoryStore
from tests.serving.store_fakes import FakeStore, feedback_row, opened_archive
from tests.serving.webhook_fakes import make_endpoint
from tests.stores import LABELS, make_prediction

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def kept() -> FakeStore:
    return FakeStore()


@pytest.fixture
def archive(kept: FakeStore, tmp_path: Path) -> Iterator[Archive]:
    with opened_archive(kept, tmp_path, spool_seconds=60, spool_bytes=1_000) as opened:
        yield opened


@pytest.fixture
def ask(assistants: Assistants, telemetry: Telemetry, archive: Archive, tmp_path: Path) -> Ask:
    """The answer of /v1/health, of an app made now."""

    def ask(**more: Any) -> dict[str, Any]:
        jobs = Jobs(tmp_path / "jobs", 1, 1, timedelta(hours=1))
        settings = Settings.model_validate(more.pop("settings", {"spool": tmp_path / "spool"}))
        app = create_app(
            settings, assistants, Batcher(4), telemetry, archive=archive, jobs=jobs, **more
        )
        answer = TestClient(app).get("/v1/health")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    return ask


@pytest.fixture
def published(store: MemoryStore, assistants: Assistants) -> None:
    store.publish()
    assistants.refresh()


@pytest.mark.usefixtures("published")
def test_a_service_that_lacks_nothing_is_up(ask: Ask) -> None:
    found = ask()
    assert found["state"] == "up"
    states = {name: part["state"] for name, part in found["parts"].items()}
    assert states == {
        "bundle": "up", "cache": "off", "disk": "up", "jobs": "up", "rate_limits": "off",
        "recorder": "up", "spool": "up", "store": "up", "webhooks": "off",
    }  # fmt: skip
    assert found["parts"]["bundle"]["facts"]["champion"] == VERSION
    parts = ask(settings={"cache": "process", "rate_limit": 9})["parts"]
    for name in ("cache", "rate_limits"):
        assert parts[name] == {"state": "up", "reason": None, "facts": {"kind": "process"}}


def test_without_a_bundle_it_is_down_and_says_why(ask: Ask) -> None:
    found = ask()
    assert (found["state"], found["parts"]["bundle"]["state"]) == ("down", "down")
    assert found["parts"]["bundle"]["reason"]


@pytest.mark.usefixtures("published")
def test_a_published_bundle_that_does_not_run_is_told(
    ask: Ask, store: MemoryStore, assistants: Assistants
) -> None:
    store.publish("invented-ffffffff")
    store.holds.discard("invented-ffffffff")
    assistants.refresh()
    found = ask()
    assert found["state"] == found["parts"]["bundle"]["state"] == "degraded"
    assert found["parts"]["bundle"]["facts"]["refused"] == ["invented-ffffffff"]


@pytest.mark.usefixtures("published")
def test_a_store_that_is_down_degrades_it(ask: Ask, archive: Archive) -> None:
    def down() -> None:
        raise StoreError("the store is down")

    archive.store.ping = down  # type: ignore[method-assign]
    found = ask()
    assert found["state"] == "degraded"
    assert found["parts"]["store"] == {"state": "down", "reason": "the store is down", "facts": {}}


@pytest.mark.usefixtures("published")
def test_a_spool_that_fills_up_and_too_many_jobs_are_told(
    ask: Ask, archive: Archive, tmp_path: Path
) -> None:
    for number in range(3):
        archive.spool.append([feedback_row(number, author="a" * 50)])
    assert ask()["parts"]["spool"]["state"] == "degraded"


@pytest.mark.usefixtures("published")
def test_predictions_that_were_dropped_are_told(ask: Ask, archive: Archive) -> None:
    archive.writer._dropped = 3
    part = ask()["parts"]["recorder"]
    assert (part["state"], part["facts"]["dropped"]) == ("degraded", 3)


@pytest.mark.usefixtures("published")
def test_a_redis_that_is_gone_degrades_cache_and_limits_and_tells_since_when(
    assistants: Assistants, telemetry: Telemetry, tmp_path: Path
) -> None:
    with run_redis(tmp_path) as redis:
        settings = Settings.model_validate(
            {
                "cache": "redis", "redis": redis.url, "salt": "9f1c0b7d2e6a4835",
                "rate_limit": 1_000, "redis_timeout_seconds": 5.0,
                "jobs_folder": tmp_path / "jobs", "spool": tmp_path / "spool",
            }
        )  # fmt: skip
        app = create_app(settings, assistants, Batcher(4), telemetry)
        with TestClient(app) as client:
            ticket = {"text": "wifi"}
            assert client.post("/v1/predict", json=ticket).status_code == 200
            assert client.get("/v1/health").json()["state"] == "up"
            redis.stop()
            began = datetime.now(UTC) - timedelta(seconds=1)
            assert client.post("/v1/predict", json=ticket).status_code == 200
            found = client.get("/v1/health").json()
            assert found["state"] == "degraded"
            for name in ("cache", "rate_limits"):
                part = found["parts"][name]
                assert part["state"] == "degraded"
                assert part["reason"].startswith("Redis does not answer: ")
                assert part["facts"]["kind"] == "redis"
                assert began <= datetime.fromisoformat(part["facts"]["since"]) <= datetime.now(UTC)
            told = client.get("/metrics").text
            alone = re.search(r"tickets_limits_unshared_total (\d+)", told)
            assert alone is not None
            assert int(alone[1]) >= 1
            redis.start()
            deadline = time.monotonic() + 30
            while client.get("/v1/health").json()["state"] != "up":
                assert time.monotonic() < deadline
                time.sleep(0.05)


@pytest.mark.usefixtures("published")
def test_a_disk_that_is_almost_full_is_told(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LITTLE_DISK", 1 << 62)
    assert ask()["parts"]["disk"]["state"] == "degraded"


@pytest.mark.usefixtures("published")
def test_dead_letters_are_told_by_endpoint(ask: Ask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/outbox.db"
    endpoints = Endpoints(endpoints={"crm": make_endpoint("http://localhost/", tmp_path)})
    sql, outbox = open_sql_store(url), open_outbox(url)
    outbox.subscribe(endpoints.wanted)
    sql.know_bundle("bundle-1", LABELS)
    delivery = Delivery(endpoints, lambda: open_outbox(url), WebhookMetrics(CollectorRegistry()))
    assert ask(delivery=delivery)["parts"]["webhooks"]["state"] == "up"
    sql.add_predictions([make_prediction(1)])
    [entry] = outbox.take("crm", 9, datetime.now(UTC), lambda _: timedelta(seconds=1))
    outbox.settle([Outcome(entry, False, "gone 410", None)])
    part = ask(delivery=delivery)["parts"]["webhooks"]
    assert part["state"] == "degraded"
    assert part["facts"]["endpoints"]["crm"] == {"waiting": 0, "dead": 1, "oldest": None}
    for one in (delivery, sql, outbox):
        one.close()


@pytest.mark.usefixtures("published")
def test_an_outbox_that_cannot_be_asked_is_down(ask: Ask, tmp_path: Path) -> None:
    def down() -> Outbox:
        raise StoreError("the store is down")

    endpoints = Endpoints(endpoints={"crm": make_endpoint("http://localhost/", tmp_path)})
    delivery = Delivery(endpoints, down, WebhookMetrics(CollectorRegistry()))
    assert ask(delivery=delivery)["parts"]["webhooks"]["state"] == "down"


def test_only_administrators_may_ask() -> None:
    assert ROUTES["GET /v1/health"] == HEALTH_READ == "health:read"
