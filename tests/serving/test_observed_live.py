"""A running service of two workers: its logs, metrics and webhooks, and a kill between."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.deployment import Arm, Deployment
from models.publishing import FolderStore
from tests.conftest import ROOT, Tickets
from tests.serving.test_service import Server, add_small, serve, wait_until
from tests.serving.webhook_fakes import WRITTEN, Receiver, receiving, status

SECRET = "Sw0rdf1shXq"
NAME = "4bf92f3577b34da6a3ce929d0e0e4736"

NOT_YET = {
    # Of a service that nobody has checked, whose members work and that shows nothing to shadows;
    # and of a bundle whose runtimes need not be timed, as it holds no network.
    "tickets_class_withheld", "tickets_degraded_total", "tickets_drift_action",
    "tickets_drift_checked_timestamp_seconds", "tickets_drift_effect", "tickets_live_accuracy",
    "tickets_live_accuracy_high", "tickets_live_accuracy_low", "tickets_live_answered",
    "tickets_live_automatic_accuracy", "tickets_live_automatic_accuracy_high",
    "tickets_live_automatic_accuracy_low", "tickets_live_checked_timestamp_seconds",
    "tickets_runtime_seconds", "tickets_shadows_dropped_total",
}  # fmt: skip


@dataclass(frozen=True)
class Live:
    """The service, who is told of its events, and how to start it again."""

    server: Server
    receiver: Receiver
    store: FolderStore
    folder: Path
    settings: dict[str, str]


@pytest.fixture(scope="module")
def live(tickets: Tickets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("observed")
    store = FolderStore(folder / "bundles")
    version = add_small(store, tickets, folder / "made", 1_000).version
    store.deploy(Deployment(champion=Arm(version=version), published_at=datetime.now(UTC)))
    (folder / "secret").write_text(WRITTEN)
    with receiving() as receiver:
        (folder / "webhooks.yaml").write_text(
            f"endpoints:\n  crm:\n    url: {receiver.url}\n    events: [ticket.classified]\n"
            f"    secret_files: [{folder / 'secret'}]\n    allow: ['127.0.0.0/8', '::1/128']\n"
            "    http: true\n"
        )
        settings = {
            "workers": "2", "log_format": "json", "webhooks": str(folder / "webhooks.yaml"),
            "webhook_first_seconds": "0.2", "webhook_seconds": "2", "record_lag_ms": "0",
        }  # fmt: skip
        with serve(store, folder, **settings) as server:
            wait_until(lambda: server.status("/readyz") == 200)
            yield Live(server, receiver, store, folder, settings)


def ask(server: Server, number: int, **more: Any) -> dict[str, Any]:
    body = {"id": f"T-{number}", "text": f"the login page is down {SECRET} {number}"}
    answer = server.ask("POST", "/v1/predict", json=body, **more)
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def lines(server: Server) -> list[dict[str, Any]]:
    """What the workers logged; BentoML's parent process says plainly that it starts."""
    return [json.loads(line) for line in server.log.read_text().splitlines() if line[0] == "{"]


def test_a_line_of_the_log_and_the_answer_bear_the_name_of_the_request(live: Live) -> None:
    headers = {"traceparent": f"00-{NAME}-00f067aa0ba902b7-01"}
    ask(live.server, 1, headers=headers)
    wait_until(lambda: any(line["correlation"] == NAME for line in lines(live.server)))
    [line] = [line for line in lines(live.server) if line["correlation"] == NAME]
    assert {name: line[name] for name in ("route", "status", "arm")} == {
        "route": "/v1/predict", "status": 200, "arm": "champion",
    }  # fmt: skip
    plain = [one for one in live.server.log.read_text().splitlines() if one[0] != "{"]
    assert len(plain) <= 3, plain


def test_every_metric_that_dashboard_and_alerts_name_is_told(live: Live) -> None:
    told = ask(live.server, 2)
    said = {"key": "k", "prediction_id": told["id"], "target": next(iter(told["targets"]))}
    live.server.ask("POST", "/v1/feedback", json={**said, "verdict": "confirm"})
    wait_until(lambda: "tickets_disk_free_bytes" in live.server.ask("GET", "/metrics").text)
    wait_until(lambda: "tickets_webhook_waiting" in live.server.ask("GET", "/metrics").text)
    text = live.server.ask("GET", "/metrics").text
    exposed = set(re.findall(r"^(tickets_\w+)", text, re.MULTILINE))
    asked = (ROOT / "deploy/grafana/dashboards/ticket-assistant.json").read_text()
    rules = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    expressions = re.findall(r'"expr": "(.*)"', asked)
    expressions += re.findall(r"expr:(.*?)(?=labels:|for:)", rules, re.DOTALL)
    named = set(re.findall(r"\btickets_\w+", " ".join(expressions)))
    assert len(named) > 40
    assert named - exposed == NOT_YET
    assert SECRET not in text


def test_health_tells_of_every_part(live: Live) -> None:
    found = live.server.ask("GET", "/v1/health").json()
    assert found["state"] == "up", found
    assert found["parts"]["webhooks"]["facts"]["endpoints"]["crm"]["dead"] == 0


def test_an_event_for_every_answer_survives_that_everything_is_killed(live: Live) -> None:
    """Last: the service is started once more, and ends with its test."""
    wait_until(lambda: bool(live.receiver.received))
    live.receiver.answers += [status(503)] * 8
    answered = [ask(live.server, number)["id"] for number in range(10, 22)]

    live.server.kill()
    with serve(live.store, live.folder, **live.settings) as again:
        wait_until(lambda: again.status("/readyz") == 200)
        answered += [ask(again, number)["id"] for number in range(30, 34)]

        def delivered() -> set[str]:
            return {json.loads(one.body)["data"]["prediction_id"] for one in live.receiver.received}

        wait_until(lambda: set(answered) <= delivered())
        wait_until(
            lambda: again.ask("GET", "/v1/health").json()["parts"]["webhooks"]["facts"][
                "endpoints"
            ]["crm"]["waiting"] == 0
        )  # fmt: skip
    assert all(one.is_signed() for one in live.receiver.received)
    assert SECRET.encode() not in b"".join(one.body for one in live.receiver.received)
    assert SECRET not in live.server.log.read_text()
