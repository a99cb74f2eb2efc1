"""Real faults in a real service, the sample's bundle behind it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.deployment import Arm, Deployment
from models.publishing import FolderStore
from serving.bench.workplace import Workplace, prepare
from serving.drills import kills, running, soak
from serving.drills.catalogue import DRILLS
from serving.drills.client import TEXTS
from serving.drills.running import run
from tests.conftest import Tickets
from tests.serving.test_service import add_small


@pytest.fixture(scope="module")
def workplace(tickets: Tickets, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder: Path = tmp_path_factory.mktemp("drills")
    store = FolderStore(folder / "published")
    version = add_small(store, tickets, folder, 1_000).version
    store.deploy(Deployment(champion=Arm(version=version), published_at=datetime.now(UTC)))
    return prepare(folder / "work", store, list(TEXTS))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BEFORE", 1.0)
    monkeypatch.setattr(kills, "AFTER", 1.0)


def test_a_worker_killed_under_load_costs_no_feedback_and_nobody_else_an_answer(
    workplace: Workplace,
) -> None:
    row = run(DRILLS["worker-killed"], workplace)
    assert row.held, row.broken
    assert row.records_acknowledged > 10
    assert row.records_lost == row.loss_allowed


def test_a_soak_goes_through_a_kill_a_reload_and_a_store_outage(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WARM", "AWAY", "LOOK_EVERY"):
        monkeypatch.setattr(soak, name, 0.5)
    found = soak.hold(workplace, rate=20.0, minutes=0.15)
    whats = [one.what.partition(":")[0] for one in found.interruptions]
    assert whats == [
        "a worker is killed",
        "another bundle is published",
        "the store is locked for 0.5 s",
    ]
    assert found.records_acknowledged > 0
    assert found.records_lost == 0
    assert 0.5 < found.available <= 1
    assert found.soak.point.rate == 20
    assert len(found.soak.mib) > 5
