import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from data.errors import CatalogError, StoreError
from data.sql import open_sql_store
from data.store import Erasure, Query
from serving.archive import Archive
from serving.archive_metrics import ArchiveMetrics
from serving.calls import Calls
from serving.recording import Behind
from serving.settings import Settings
from tests.serving.store_fakes import LABELS, FakeStore, feedback_row, opened_archive, told

VERSION = "invented-0a1b2c3d"
FOREVER = 3_600_000


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def test_where_no_lag_is_allowed_an_answer_waits_until_it_is_stored(
    store: FakeStore, tmp_path: Path
) -> None:
    with opened_archive(store, tmp_path) as archive:
        asyncio.run(archive.keep([told(1), told(2)]))
        assert sorted(store.predictions) == [told(1).id, told(2).id]


def test_a_store_that_hangs_holds_an_answer_up_for_its_time_and_no_longer(
    store: FakeStore, tmp_path: Path
) -> None:
    with opened_archive(store, tmp_path, store_timeout_seconds=0.05) as archive:
        store.gate.clear()
        began = time.monotonic()
        asyncio.run(archive.keep([told(1)]))
        assert 0.05 <= time.monotonic() - began < 5
        assert archive.writer.behind.rows == 1
        store.gate.set()
    assert list(store.predictions) == [told(1).id]


def test_where_a_lag_is_allowed_nobody_waits(store: FakeStore, tmp_path: Path) -> None:
    with opened_archive(store, tmp_path, record_lag_ms=FOREVER) as archive:
        asyncio.run(archive.keep([told(1)]))
        assert not store.predictions
    assert list(store.predictions) == [told(1).id]


def test_the_end_closes_the_store(store: FakeStore, tmp_path: Path) -> None:
    with opened_archive(store, tmp_path):
        assert not store.closed
    assert store.closed


def test_a_cost_matrix_of_other_labels_is_refused_and_answers_are_kept_all_the_same(
    store: FakeStore, tmp_path: Path
) -> None:
    (tmp_path / "costs.yaml").write_text("category: {telephony: {printer: 2}}")
    settings = Settings.model_validate(
        {"cost_matrix": tmp_path / "costs.yaml", "spool": tmp_path / "spool", "record_lag_ms": 0}
    )
    archive = Archive(settings, store)
    with pytest.raises(CatalogError, match="'telephony' that the bundle does not know"):
        archive.know(VERSION, LABELS)
    asyncio.run(archive.keep([told(1)]))
    archive.close()
    assert list(store.predictions) == [told(1).id]


def test_a_cost_matrix_that_is_none_refuses_the_start(store: FakeStore, tmp_path: Path) -> None:
    settings = Settings.model_validate({"cost_matrix": tmp_path / "nowhere.yaml"})
    with pytest.raises(CatalogError, match="does not exist"):
        Archive(settings, store)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Everything on SQLite."""
    settings = Settings.model_validate(
        {"spool": tmp_path / "spool", "record_lag_ms": 0, "spool_seconds": 0.01}
    )
    archive = Archive(settings, open_sql_store(f"sqlite:///{tmp_path / 'store.db'}"))
    archive.know(VERSION, LABELS)
    yield archive
    archive.close()


def test_on_sqlite_an_answer_goes_through_review_and_feedback_to_its_erasure(
    archive: Archive,
) -> None:
    asyncio.run(archive.keep([told(1, customer="C-1"), told(2, customer="C-1")]))
    open_ = archive.store.to_review()
    assert [answered.stored.id for answered in open_] == [told(1).id, told(2).id]
    taken = asyncio.run(archive.desk.take([feedback_row(1)]))
    assert taken == ("stored", ("accepted",))
    assert [answered.stored.id for answered in archive.store.to_review()] == [told(2).id]
    gone = asyncio.run(archive.erase(Erasure(customer="C-1"), "api", datetime.now(UTC)))
    assert (gone.predictions, gone.feedback) == (2, 1)
    assert list(archive.store.stream(Query())) == []
    assert [event.actor for event in archive.store.events(action="erase")] == ["api"]
    asyncio.run(archive.keep([told(1, customer="C-1")]))
    assert archive.store.find(told(1).id) is None


def test_on_sqlite_what_the_spool_holds_is_handed_over_once(archive: Archive) -> None:
    asyncio.run(archive.keep([told(1)]))
    archive.store.add_feedback([feedback_row(1)])
    archive.spool.append([feedback_row(1), feedback_row(1, key="more", target="mood")])
    pause = threading.Event()
    for _ in range(1_000):
        if archive.spool.is_empty:
            break
        pause.wait(0.01)
    found = archive.store.find(told(1).id)
    assert found is not None
    assert [said.key for said in found.feedback] == ["key-1"]
    assert archive.spool.count() == {"waiting": 0, "refused": 1, "torn": 0}


def test_a_call_that_takes_too_long_is_an_error_of_the_store() -> None:
    calls = Calls("store", 1, 0.02)
    gate = threading.Event()
    began: list[int] = []

    async def both() -> list[object]:
        asked = (calls.ask(began.append, 2) for _ in range(1))
        return await asyncio.gather(calls.ask(gate.wait, 10), *asked, return_exceptions=True)

    results = asyncio.run(both())
    gate.set()
    calls.close()
    assert [str(result) for result in results] == ["no answer of the store in 0.02 seconds"] * 2
    assert all(isinstance(result, StoreError) for result in results)
    assert not began


def test_a_timeout_of_the_call_itself_passes() -> None:
    def fails() -> None:
        raise TimeoutError("its own")

    calls = Calls("store", 1, 10)
    with pytest.raises(TimeoutError, match="its own"):
        asyncio.run(calls.ask(fails))
    calls.close()


def test_metrics_tell_what_waits_and_count_what_was_stored_and_lost() -> None:
    registry = CollectorRegistry()
    metrics = ArchiveMetrics(registry)
    for behind in (Behind(3, 1.5, 2, 1), Behind(1, 0.5, 7, 1), Behind(2, 0.7, 5, 0)):
        metrics.behind(behind)
    value = registry.get_sample_value
    assert value("tickets_unstored_predictions") == 2
    assert value("tickets_unstored_seconds") == 0.7
    assert value("tickets_predictions_stored_total") == 7
    assert value("tickets_predictions_dropped_total") == 1
