import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import ConflictError, StoreError
from data.store import Feedback
from serving.archive import Archive
from serving.feedback import UnansweredTargetsError
from tests.serving.store_fakes import (
    FakeStore,
    feedback_row,
    opened_archive,
    prediction_row,
    told,
)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def archive(store: FakeStore, tmp_path: Path) -> Iterator[Archive]:
    with opened_archive(store, tmp_path) as archive:
        archive.writer.put([told(1), told(2)]).result(10)
        yield archive


def wait_until_handed_over(archive: Archive) -> None:
    pause = threading.Event()
    for _ in range(1_000):
        if archive.spool.is_empty:
            return
        pause.wait(0.01)
    pytest.fail("the spool was not handed over in 10 seconds")


def test_feedback_is_stored_with_its_status(archive: Archive, store: FakeStore) -> None:
    rows = [
        feedback_row(1),
        feedback_row(2, verdict="correct", label="a new one"),
        feedback_row(3),
    ]
    taken = asyncio.run(archive.desk.take(rows))
    assert taken == ("stored", ("accepted", "proposal", "pending"))
    assert [
        Feedback(**said.model_dump(exclude={"status"})) for said in store.feedback.values()
    ] == rows
    assert archive.spool.is_empty


def test_while_the_store_is_down_feedback_is_spooled_and_handed_over_later_in_order(
    archive: Archive, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.down = True
    with caplog.at_level(logging.INFO):
        for number in (2, 1, 3):
            taken = asyncio.run(archive.desk.take([feedback_row(number)]))
            assert taken == ("spooled", ("pending",))
        assert not store.feedback
        store.down = False
        wait_until_handed_over(archive)
        until = time.monotonic() + 10
        while "handed 3 spooled feedback records" not in caplog.text:  # said a moment later
            assert time.monotonic() < until
            time.sleep(0.01)
    assert list(store.feedback) == ["key-2", "key-1", "key-3"]
    assert "key-2" not in caplog.text


def test_as_long_as_something_waits_on_disk_what_comes_goes_behind_it(
    archive: Archive, store: FakeStore
) -> None:
    store.gate.clear()
    archive.spool.append([feedback_row(1)])
    assert asyncio.run(archive.desk.take([feedback_row(2)])).kept == "spooled"
    store.gate.set()
    wait_until_handed_over(archive)
    assert list(store.feedback) == ["key-1", "key-2"]
    assert asyncio.run(archive.desk.take([feedback_row(3)])).kept == "stored"


def test_a_store_that_hangs_counts_as_down_and_nothing_counts_twice(
    store: FakeStore, tmp_path: Path
) -> None:
    with opened_archive(store, tmp_path, store_timeout_seconds=0.05) as archive:
        store.gate.clear()
        taken = asyncio.run(archive.desk.take([feedback_row(1)]))
        assert taken.kept == "spooled"
        store.gate.set()
        wait_until_handed_over(archive)
        assert list(store.feedback) == ["key-1"]


def test_a_store_whose_threads_all_hang_does_not_hold_up_the_disk(
    store: FakeStore, tmp_path: Path
) -> None:
    async def three(archive: Archive) -> list[str]:
        taken = await asyncio.gather(*(archive.desk.take([feedback_row(n)]) for n in range(3)))
        return [one.kept for one in taken]

    with opened_archive(store, tmp_path, store_timeout_seconds=0.05, store_threads=1) as archive:
        store.gate.clear()
        assert asyncio.run(three(archive)) == ["spooled"] * 3


def test_a_key_used_before_for_something_else_is_a_conflict_in_store_and_spool(
    archive: Archive, store: FakeStore
) -> None:
    other = feedback_row(2, key="key-1")
    asyncio.run(archive.desk.take([feedback_row(1)]))
    with pytest.raises(ConflictError):
        asyncio.run(archive.desk.take([other]))
    store.down = True
    asyncio.run(archive.desk.take([feedback_row(2)]))
    with pytest.raises(ConflictError):
        asyncio.run(archive.desk.take([feedback_row(1, key="key-2")]))


def test_targets_that_were_not_answered_are_named_by_their_place(
    archive: Archive, store: FakeStore
) -> None:
    rows = [feedback_row(1), feedback_row(2, target="mood"), feedback_row(3, target="mood")]
    with pytest.raises(UnansweredTargetsError) as caught:
        asyncio.run(archive.desk.take(rows))
    assert caught.value.places == (1,)
    assert not store.feedback


def test_when_neither_store_nor_disk_can_take_it_that_is_an_error(
    store: FakeStore, tmp_path: Path
) -> None:
    with opened_archive(store, tmp_path, spool_bytes=10) as archive:
        store.down = True
        with pytest.raises(StoreError, match="the spool is full"):
            asyncio.run(archive.desk.take([feedback_row(1)]))


def test_what_waits_at_the_end_is_handed_over_after_the_next_start(
    store: FakeStore, tmp_path: Path
) -> None:
    store.down = True
    with opened_archive(store, tmp_path) as archive:
        asyncio.run(archive.desk.take([feedback_row(1)]))
    store.down = False
    with opened_archive(store, tmp_path) as archive:
        wait_until_handed_over(archive)
    assert list(store.feedback) == ["key-1"]


def test_feedback_that_came_before_its_prediction_is_joined(
    archive: Archive, store: FakeStore
) -> None:
    assert asyncio.run(archive.desk.take([feedback_row(3)])).statuses == ("pending",)
    archive.writer.put([told(3)]).result(10)
    found = store.find(prediction_row(3).id)
    assert found is not None
    assert [said.status for said in found.feedback] == ["accepted"]
