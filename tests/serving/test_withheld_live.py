"""The whole service with a real bundle: a class withheld by publishing, and what /metrics tells."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from data.sql import open_sql_store
from data.store import Event
from evaluation.checked import LIVE
from models.withholding import withhold
from serving.settings import Settings
from tests.serving.test_alerts import RULES
from tests.serving.test_service import Published, kept_in, published, wait_until

__all__ = ["published"]

TEXT = "the build is red"
MOST_SECONDS = 30


@pytest.fixture
def client(
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    restored_logging: None,
) -> Iterator[TestClient]:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    from serving import service

    published.deploy()
    settings = Settings.model_validate(
        {"bundle_store": str(published.store.root), "monitor_seconds": 0.2, **kept_in(tmp_path)}
    )
    monkeypatch.setattr(service, "settings", settings)
    with TestClient(service.TicketAssistantService.to_asgi()) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def test_a_class_is_withheld_within_seconds_and_everybody_is_told(
    client: TestClient, published: Published
) -> None:
    before = client.post("/v1/predict", json={"text": TEXT}).json()["targets"]
    target, label = next((n, a["label"]) for n, a in before.items() if a["decision"] == "auto")
    deployment = published.store.find_deployment()
    assert deployment is not None
    version, now = published.manifest.version, datetime.now(UTC)
    published.store.deploy(withhold(deployment, version, target, {label: "it lost it"}, now))
    began = time.monotonic()
    while True:
        after = client.post("/v1/predict", json={"text": TEXT}).json()["targets"]
        if after[target]["decision"] == "review":
            break
        assert time.monotonic() - began < MOST_SECONDS
        time.sleep(0.05)
    assert after[target]["reason"] == "certificate_lost"
    assert after[target]["label"] == after[target]["shortlist"][0]["label"] == label
    others = {name: answer for name, answer in before.items() if name != target}
    assert {name: answer for name, answer in after.items() if name != target} == others
    assert client.get("/v1/model").json()["withheld"] == {target: {label: "it lost it"}}
    shown = f'tickets_class_withheld{{bundle="{version}",label="{label}",target="{target}"}} 1.0'
    wait_until(lambda: shown in client.get("/metrics").text)


def test_every_metric_of_the_alert_rules_is_in_what_the_service_exposes(
    client: TestClient,
) -> None:
    text = client.get("/metrics").text
    exposed = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    rules = RULES.read_text(encoding="utf-8")
    found = re.findall(r"\btickets_\w+", rules)
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}
    assert len(named) > 8
    assert named <= exposed


def test_a_check_in_the_store_reaches_the_metrics(client: TestClient, published: Published) -> None:
    from serving import service

    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    event = Event(
        at=at, actor="monitor", action=LIVE, subject=published.manifest.version,
        detail={"reasons": [], "targets": {}},
    )  # fmt: skip
    assert told(client.get("/metrics").text) == 0
    store = open_sql_store(service.settings.store)
    store.log(event)
    store.close()
    wait_until(lambda: told(client.get("/metrics").text) == at.timestamp())


def told(metrics: str) -> float:
    """When the newest live check was."""
    [moment] = re.findall(
        r"^tickets_live_checked_timestamp_seconds ([\d.e+]+)$", metrics, re.MULTILINE
    )
    return float(moment)
