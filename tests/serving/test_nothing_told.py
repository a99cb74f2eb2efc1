"""No word a customer wrote leaves by a way that is not an answer to who sent it.

Secrets are planted in every place a ticket has and in requests that are wrong in every way. Then
they are looked for in log lines of all loggers and both formats, metrics, spans, errors told to
Sentry, error answers, keys of the cache, names and files of the spool, events that go out, health,
the report of a period, and the audit log. Only the tables of the store and the files of jobs may
hold what they are for.
"""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from sqlalchemy import select
from starlette.testclient import TestClient

from data.outbox import Outbox
from data.outbox_events import KINDS
from data.sql import SqlStore, open_sql_store
from data.sql_engine import reading
from data.sql_tables import events, facts, feedback, outbox, targets
from evaluation.period_page import render_page
from evaluation.period_report import report_period
from serving.app import create_app
from serving.archive import Archive
from serving.archive_metrics import ArchiveMetrics
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.cache import AnswerCache
from serving.job_runner import RunsJobs
from serving.jobs import Jobs
from serving.logs import JsonFormatter, TextFormatter
from serving.settings import Settings
from serving.telemetry import Telemetry
from serving.tracing import Tracing
from tests.serving.fakes import VERSION, MemoryStore, RuleAssistant, make_manifest

SECRET = "Sw0rdf1shXq"
"""Of no alphabet that ids are written in, and no word of the program."""

LINES = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json"}


class Gathering(logging.Handler):
    """Every record of every logger, as both formatters write it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("http"):  # The client of the test tells whom it asks.
            return
        self.lines += [TextFormatter().format(record), JsonFormatter().format(record)]
        # As Sentry would be told, and whoever sets up logging in another way.
        if record.name.partition(".")[0] in {"data", "models", "evaluation", "serving"}:
            self.lines.append(record.getMessage())


@dataclass
class Whole:
    """A service with everything switched on, and all ways out of it."""

    client: TestClient
    app: FastAPI
    store: SqlStore
    archive: Archive
    telemetry: Telemetry
    exporter: InMemorySpanExporter
    tracing: Tracing
    rule: RuleAssistant
    folder: Path
    logged: Gathering
    cache_keys: set[bytes] = field(default_factory=set)

    def report(self) -> str:
        """The page and figures that a support manager gets; nothing where nothing was answered."""
        now = datetime.now(UTC)
        try:
            found = report_period(
                self.store, now - timedelta(hours=1), now, now, minutes_per_ticket=3
            )
        except ValueError:
            return ""
        return found.to_json() + render_page(found)

    def told_outside(self) -> dict[str, str]:
        """What can be read without asking for a stored ticket; way out -> all of it."""
        self.tracing._provider.force_flush()
        spans = self.exporter.get_finished_spans()
        spool = [path for path in (self.folder / "spool").rglob("*") if path.is_file()]
        jobs = list((self.folder / "jobs").rglob("*"))
        with reading(self.store.engine) as connection:
            rows = {
                table.name: str([tuple(row) for row in connection.execute(select(table))])
                for table in (outbox, events, facts, targets, feedback)
            }
        return {
            "logs": "\n".join(self.logged.lines),
            "metrics": self.client.get("/metrics").text,
            "health": self.client.get("/v1/health").text,
            "model": self.client.get("/v1/model").text + self.client.get("/v1/arms").text,
            "spans": "".join(span.to_json() for span in spans),
            "cache": str(self.cache_keys),
            "spool names": str(spool),
            "spool": "".join(path.read_text(errors="replace") for path in spool),
            "job names": str([path.relative_to(self.folder) for path in jobs]),
            "report of the period": self.report(),
            "job states": "".join(p.read_text() for p in jobs if p.name == "state.json"),
            **rows,
        }


@pytest.fixture
def whole(
    assistants: Assistants,
    store: MemoryStore,
    rule: RuleAssistant,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Whole]:
    store.publish()
    assistants.refresh()
    settings = Settings.model_validate(
        {
            "max_body_bytes": 20_000, "max_tickets": 4, "max_text": 5_000, "max_jobs": 20,
            "cache": "process", "spool": tmp_path / "spool", "spool_seconds": 60,
            "jobs_folder": tmp_path / "jobs", "record_lag_ms": 0, "refused_limit": None,
        }
    )  # fmt: skip
    telemetry = Telemetry(CollectorRegistry())
    telemetry.bundle_changed(make_manifest())
    kept = open_sql_store(f"sqlite:///{tmp_path}/store.db")
    Outbox(kept.engine).subscribe({"crm": KINDS})
    jobs = Jobs(settings.jobs_folder, 20, 20, timedelta(hours=1))
    archive = Archive(settings, kept, ArchiveMetrics(telemetry.registry).behind, jobs)
    archive.know(VERSION, make_manifest().targets)
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter)
    app = create_app(
        settings, assistants, Batcher(4, observe=telemetry.encoded), telemetry,
        archive=archive, jobs=jobs, tracing=tracing,
    )  # fmt: skip
    logged, root = Gathering(), logging.getLogger()
    before = root.level
    root.addHandler(logged)
    root.setLevel(logging.DEBUG)
    keys: set[bytes] = set()
    make_key = AnswerCache._key
    monkeypatch.setattr(
        AnswerCache,
        "_key",
        lambda self, told, ticket: [key := make_key(self, told, ticket), keys.add(key)][0],
    )
    layers = RunsJobs(app, lambda: app.state.runner)
    with TestClient(layers, raise_server_exceptions=False) as client:
        yield Whole(
            client, app, kept, archive, telemetry, exporter, tracing, rule, tmp_path, logged, keys
        )
    archive.close()
    tracing.close()
    root.removeHandler(logged)
    root.setLevel(before)


def send_what_is_right(whole: Whole) -> None:
    ticket = {"id": "T-1", "subject": f"about {SECRET}", "text": f"printer {SECRET}"}
    other = {"id": "T-2", "text": f"{SECRET} is broken"}
    ask = whole.client.post
    told = ask("/v1/predict", json=ticket).json()
    assert ask("/v1/predict", json=ticket).status_code == 200, "from the cache"
    assert ask("/v1/predict/batch", json={"tickets": [ticket, other]}).status_code == 200
    assert ask("/v1/predict/batch?partial=true", json={"tickets": [other, {}]}).status_code == 200
    assert ask("/v1/similar", json={"ticket": other}).status_code == 200
    for line in (ticket, other):
        content = json.dumps(line) + f'\n{{"text": "{SECRET}"\n{{"{SECRET}": 1}}\n'
        job = ask("/v1/jobs", content=content.encode(), headers=LINES).json()["id"]
        finish(whole, job)
    said = {"key": "k-1", "prediction_id": told["id"], "target": "category", "verdict": "confirm"}
    assert ask("/v1/feedback", json=said).status_code == 200


def finish(whole: Whole, job: str) -> None:
    until = time.monotonic() + 20
    while whole.client.get(f"/v1/jobs/{job}").json()["state"] not in {"done", "failed"}:
        assert time.monotonic() < until
        time.sleep(0.02)


WRONG: list[dict[str, Any]] = [
    {"content": f'{{"text": "{SECRET}"', "headers": JSON},
    {"content": f'{{"text": "{SECRET}"}}{SECRET}', "headers": JSON},
    {"content": SECRET, "headers": JSON},
    {"content": SECRET, "headers": {"content-type": "text/plain"}},
    {"content": SECRET, "headers": {"content-type": SECRET}},
    {"content": SECRET.encode("utf-16"), "headers": JSON},
    {"content": b"\xff\xfe" + SECRET.encode(), "headers": JSON},
    {"content": ("[" * 3_000 + SECRET).encode(), "headers": JSON},
    {"json": {"text": SECRET * 2_000}},
    {"json": {"text": SECRET * 500}},
    {"json": {"text": [SECRET]}},
    {"json": {"text": {"text": SECRET}}},
    {"json": {"text": "a", SECRET: SECRET}},
    {"json": {"text": "a", "language": SECRET}},
    {"json": {"text": "a", "created_at": SECRET}},
    {"json": {"text": "a", "id": {"of": SECRET}}},
    {"json": [SECRET]},
    {"json": SECRET},
    {"json": {"tickets": [{"text": SECRET}] * 9}},
    {"json": {"tickets": [{"text": SECRET, "more": SECRET}]}},
    {"json": {"tickets": SECRET}},
    {"json": {"ticket": {"text": SECRET}, "k": SECRET}},
    {"json": {"feedback": [{"key": "k", "verdict": SECRET, "label": SECRET}]}},
    {"json": {"text": "a"}, "headers": {"x-arm": SECRET}},
    {"json": {"text": "a"}, "headers": {"x-request-id": SECRET, "traceparent": SECRET}},
    {"json": {"text": "a"}, "headers": {"authorization": f"Bearer {SECRET}"}},
    {"json": {"text": "a"}, "params": {"detail": SECRET, SECRET: SECRET}},
]
PLACES = (
    "/v1/predict", "/v1/predict/batch", "/v1/predict/batch?partial=true", "/v1/similar", "/v1/jobs",
    "/v1/feedback", f"/{SECRET}", f"/v1/predictions/{SECRET}", f"/v1/jobs/{SECRET}/result",
)  # fmt: skip


def test_what_is_right_is_told_to_nobody_else(whole: Whole) -> None:
    send_what_is_right(whole)
    told = whole.told_outside()
    # What is looked through is there.
    assert "POST /v1/predict 200" in told["logs"]
    assert 'tickets_predictions_total{decision="auto",label="printer"' in told["metrics"]
    assert told["spans"].count('"POST /v1/predict"') == 2
    assert told["outbox"].count("ticket.classified") >= 6
    assert len(whole.cache_keys) >= 2
    assert '"tickets": ' in told["report of the period"]
    for way, text in told.items():
        assert SECRET not in text, f"a word of a ticket stands in {way}"


def test_what_is_wrong_is_repeated_nowhere(whole: Whole) -> None:
    refused = 0
    for wrong in WRONG:
        for place in PLACES:
            answer = whole.client.post(place, **wrong)
            assert answer.status_code != 500, (place, wrong)
            if answer.status_code >= 400:
                refused += 1
                assert SECRET not in answer.text, (place, wrong)
            assert SECRET not in str(answer.headers), (place, wrong)
    assert refused > len(WRONG) * len(PLACES) * 0.8
    for query in (f"cursor={SECRET}", f"limit={SECRET}", f"since={SECRET}", f"{SECRET}=1"):
        answer = whole.client.get(f"/v1/predictions?{query}")
        assert answer.status_code == 422, query
        assert SECRET not in answer.text
    for way, text in whole.told_outside().items():
        assert SECRET not in text, f"a word of a request stands in {way}"


def test_what_breaks_the_model_is_repeated_nowhere(whole: Whole) -> None:
    whole.rule.fails_on = SECRET
    for place, body in (
        ("/v1/predict", {"text": SECRET}),
        ("/v1/predict/batch", {"tickets": [{"text": "a"}, {"text": SECRET}]}),
        ("/v1/predict/batch?partial=true", {"tickets": [{"text": "a"}, {"text": SECRET}]}),
    ):
        answer = whole.client.post(place, json=body)
        assert SECRET not in answer.text
    job = whole.client.post(
        "/v1/jobs", content=json.dumps({"text": SECRET}).encode(), headers=LINES
    )
    finish(whole, job.json()["id"])
    told = whole.told_outside()
    assert "ArithmeticError" in told["logs"], "the failure itself is told"
    for way, text in told.items():
        assert SECRET not in text, f"a word of a ticket stands in {way}"


def test_feedback_that_waits_on_disk_holds_what_was_said_and_nothing_of_the_ticket(
    whole: Whole,
) -> None:
    told = whole.client.post("/v1/predict", json={"text": SECRET}).json()
    whole.store.engine.dispose()
    database = whole.folder / "store.db"
    for path in whole.folder.glob("store.db*"):
        path.rename(path.with_name(path.name.replace("store", "away")))
    database.mkdir()
    said = {"key": "k-1", "prediction_id": told["id"], "target": "category", "verdict": "confirm"}
    answer = whole.client.post("/v1/feedback", json=said)
    assert answer.json()["feedback"][0]["kept"] == "spooled"
    database.rmdir()
    for path in whole.folder.glob("away.db*"):
        path.rename(path.with_name(path.name.replace("away", "store")))
    out = whole.told_outside()
    assert told["id"] in out["spool"]
    for way, text in out.items():
        assert SECRET not in text, f"a word of a ticket stands in {way}"


def test_what_is_erased_leaves_no_word_in_the_audit_log(whole: Whole) -> None:
    whole.client.post(
        "/v1/predict", json={"id": SECRET, "text": "a"}, headers={"x-customer": SECRET}
    )
    assert whole.client.delete(f"/v1/tickets/{SECRET}").json()["predictions"] == 1
    assert whole.client.delete(f"/v1/customers/{SECRET}").status_code == 200
    told = whole.told_outside()
    assert "erase" in told["events"]
    for way in ("logs", "metrics", "spans", "events", "outbox", "health"):
        assert SECRET not in told[way], f"the name of what was erased stands in {way}"
