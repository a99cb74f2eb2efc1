"""Whoever erases a ticket makes every worker forget what it answered."""

from datetime import timedelta
from pathlib import Path

from starlette.testclient import TestClient

from serving.app import create_app
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.jobs import Jobs
from serving.settings import Settings
from serving.telemetry import Telemetry
from tests.serving.fakes import VERSION, MemoryStore, RuleAssistant, make_manifest
from tests.serving.store_fakes import FakeStore, opened_archive


def test_an_erasure_at_one_worker_is_forgotten_by_all(
    tmp_path: Path,
    assistants: Assistants,
    store: MemoryStore,
    rule: RuleAssistant,
    telemetry: Telemetry,
) -> None:
    store.publish()
    assistants.refresh()
    told = {"cache": "process", "jobs_folder": tmp_path / "jobs"}
    chosen = Settings.model_validate(told)
    jobs = Jobs(tmp_path / "jobs", 50, 50, timedelta(hours=1))
    with opened_archive(FakeStore(), tmp_path, **told) as archive:
        archive.know(VERSION, make_manifest().targets)
        apps = [
            create_app(chosen, assistants, Batcher(), telemetry, archive=archive, jobs=jobs)
            for _ in range(2)
        ]
        with TestClient(apps[0]) as one, TestClient(apps[1]) as other:
            for _ in range(2):
                for client in (one, other):
                    client.post("/v1/predict", json={"id": "T-1", "text": "wifi"})
            assert len(rule.calls) == 2
            assert other.delete("/v1/tickets/T-1").status_code == 200
            for client in (one, other):
                client.post("/v1/predict", json={"id": "T-2", "text": "wifi"})
            assert len(rule.calls) == 4
