"""The app around a bundle that answers by rule."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from serving.app import create_app
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.edge import ForeignErrors
from serving.jobs import Jobs
from serving.logs import OTHERS, OURS
from serving.settings import Settings
from serving.telemetry import Telemetry
from tests.serving.fakes import VERSION, MakeApp, MemoryStore, RuleAssistant, make_manifest
from tests.serving.store_fakes import FakeStore, opened_archive


@pytest.fixture
def rule() -> RuleAssistant:
    return RuleAssistant()


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(CollectorRegistry())


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def assistants(
    tmp_path: Path, store: MemoryStore, rule: RuleAssistant, telemetry: Telemetry
) -> Assistants:
    """Follow a store in which nothing is published yet."""
    return Assistants(
        store,
        lambda folder: (make_manifest(folder.name), rule),
        tmp_path,
        watcher=telemetry,
    )


@pytest.fixture
def make_app(assistants: Assistants, telemetry: Telemetry) -> MakeApp:
    def make(**settings: object) -> FastAPI:
        chosen = Settings.model_validate(settings)
        batcher = Batcher(chosen.encoder_batch, chosen.max_waiting, observe=telemetry.encoded)
        return create_app(chosen, assistants, batcher, telemetry)

    return make


@pytest.fixture
def client(make_app: MakeApp, assistants: Assistants, store: MemoryStore) -> Iterator[TestClient]:
    """The contract with a champion, small limits, and the layer that retells foreign errors."""
    store.publish()
    assistants.refresh()
    app = make_app(max_body_bytes=20_000, max_tickets=4, max_waiting=8, max_text=1_000)
    with TestClient(ForeignErrors(app, lambda: assistants.why_not_ready)) as client:
        yield client


@pytest.fixture
def whole_app(
    assistants: Assistants, store: MemoryStore, telemetry: Telemetry, tmp_path: Path
) -> Iterator[FastAPI]:
    """The whole contract around a champion: with what is kept, and with jobs."""
    store.publish()
    assistants.refresh()
    chosen = Settings.model_validate({"max_body_bytes": 20_000, "max_tickets": 4, "max_text": 1000})
    batcher = Batcher(chosen.encoder_batch, chosen.max_waiting)
    jobs = Jobs(tmp_path / "jobs", 50, 50, timedelta(hours=1))
    with opened_archive(FakeStore(), tmp_path, max_jobs=50) as archive:
        archive.know(VERSION, make_manifest().targets)
        yield create_app(chosen, assistants, batcher, telemetry, archive=archive, jobs=jobs)


@pytest.fixture
def whole_client(whole_app: FastAPI, assistants: Assistants) -> Iterator[TestClient]:
    with TestClient(ForeignErrors(whole_app, lambda: assistants.why_not_ready)) as client:
        yield client


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Undo what the service does to the loggers, so that later tests can read them."""
    names = (*OURS, *OTHERS)
    before = {name: logging.getLogger(name).__dict__.copy() for name in names}
    yield
    for name, state in before.items():
        logging.getLogger(name).__dict__.update(state)
