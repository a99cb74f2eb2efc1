"""New feedback becomes one batch, what is suspicious waits, what is erased leaves."""

from datetime import timedelta
from pathlib import Path

import pytest

from data.errors import DataError
from data.feedback_files import MANIFEST, FeedbackFiles
from data.store import Erasure, Query
from evaluation.trust_params import FeedbackParams
from pipelines import collect as command
from pipelines.collect import collect, expect_errors, open_rows
from pipelines.params import NearDuplicateParams
from tests.feedback import make_row
from tests.stores import LABELS, NOON, MemoryStore, make_feedback, make_prediction


@pytest.fixture
def store() -> MemoryStore:
    kept = MemoryStore()
    kept.know_bundle("bundle-1", LABELS)
    kept.add_predictions([make_prediction(n, customer=f"c-{n % 2}") for n in range(6)])
    return kept


def take(store: MemoryStore, folder: Path, hours: int = 24):
    return collect(
        store, FeedbackFiles(folder), [], FeedbackParams(), NearDuplicateParams(), "anna",
        NOON + timedelta(hours=hours),
    )  # fmt: skip


def test_each_answer_is_collected_once_into_its_file(store: MemoryStore, tmp_path: Path) -> None:
    store.add_feedback(
        [
            make_feedback("k0", 0),
            make_feedback("k1", 1, verdict="reject"),
            make_feedback("k2", 2, verdict="correct", label="robot"),
            make_feedback("k9", 99),
        ]
    )
    done = take(store, tmp_path)
    assert done.counts == {"rows": 1, "rejected": 1, "proposals": 1}
    files = FeedbackFiles(tmp_path)
    batch = files.batch(str(done.batch))
    assert [row.key for row in files.read(batch)] == ["k0"]
    assert [row.label for row in files.read(batch, "proposals")] == ["robot"]
    assert take(store, tmp_path).batch is None
    store.add_predictions([make_prediction(99)])
    store.add_feedback([make_feedback("k3", 3)])
    later = take(store, tmp_path, 48)
    assert later.counts == {"rows": 2, "rejected": 0, "proposals": 0}
    assert str(later.batch).startswith("2026-11-27T120000Z-2")


def test_collecting_is_told_with_the_digest_of_the_chain(
    store: MemoryStore, tmp_path: Path
) -> None:
    store.add_feedback([make_feedback("k0", 0)])
    take(store, tmp_path)
    (event,) = store.events(action="feedback.collected")
    assert event.detail["head"] == FeedbackFiles(tmp_path).chain.head
    assert event.detail["unasked"] == 1
    (tmp_path / MANIFEST).write_text("")
    with pytest.raises(DataError, match="audit log"):
        take(store, tmp_path)


def test_what_nobody_would_say_honestly_waits_for_a_person(tmp_path: Path) -> None:
    store = MemoryStore()
    store.know_bundle("bundle-1", LABELS)
    rows = [make_prediction(n, audit=True) for n in range(20)]
    store.add_predictions(rows)
    store.add_feedback(
        [make_feedback(f"k{n}", n, verdict="correct", label="printer", author="eve")
         for n in range(12)]
        + [make_feedback(f"k{n}", n, author=f"a{n}") for n in range(12, 20)]
    )  # fmt: skip
    done = take(store, tmp_path)
    assert {str(one.scope) for one in done.suspicions} >= {"author eve"}
    files = FeedbackFiles(tmp_path)
    assert {row.author for row in open_rows(files)} == {f"a{n}" for n in range(12, 20)}
    told = store.events(action="feedback.quarantined")
    assert told[0].detail["head"] == files.chain.head
    assert all(event.detail["reasons"] for event in told)


def test_erased_tickets_and_customers_leave_the_files(store: MemoryStore, tmp_path: Path) -> None:
    store.add_feedback([make_feedback(f"k{n}", n) for n in range(4)])
    take(store, tmp_path)
    store.erase(Erasure(ticket_id="t-0"), "carol", NOON + timedelta(hours=25))
    store.erase(Erasure(customer="c-1"), "carol", NOON + timedelta(hours=25))
    done = take(store, tmp_path, 26)
    assert (done.batch, done.erased) == (None, 3)
    files = FeedbackFiles(tmp_path)
    assert [row.ticket.id for row in open_rows(files)] == ["t-2"]
    assert store.events(action="feedback.erased")[0].detail["rows"] == 3


def test_what_was_answered_after_an_erasure_stays(store: MemoryStore, tmp_path: Path) -> None:
    store.erase(Erasure(customer="c-0"), "carol", NOON + timedelta(seconds=2))
    store.add_predictions([make_prediction(9, customer="c-0")])
    store.add_feedback([make_feedback("k9", 9)])
    take(store, tmp_path)
    assert take(store, tmp_path).erased == 0
    assert len(list(open_rows(FeedbackFiles(tmp_path)))) == 1


def test_retention_of_the_store_takes_nothing_from_the_files(
    store: MemoryStore, tmp_path: Path
) -> None:
    store.add_feedback([make_feedback("k0", 0)])
    take(store, tmp_path)
    store.drop_before(NOON + timedelta(days=9), "carol", NOON + timedelta(days=9))
    assert not list(store.stream(Query()))
    assert take(store, tmp_path).erased == 0
    assert len(list(open_rows(FeedbackFiles(tmp_path)))) == 1


def test_leftovers_of_an_interrupted_collect_are_removed(
    store: MemoryStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.joinpath("2026-11-25T120000Z-1.rows.jsonl").write_text("left")
    take(store, tmp_path)
    assert "interrupted collect" in caplog.text
    assert not list(tmp_path.iterdir())


def test_mistakes_are_expected_of_what_was_told_on_the_days_of_the_rows() -> None:
    store = MemoryStore()
    store.add_predictions(
        [
            make_prediction(1),
            make_prediction(2, decisions={"category": "review"}),
            make_prediction(3, arm="shadow"),
            make_prediction(4, at=NOON + timedelta(days=1)),
        ]
    )
    found = expect_errors(store, [make_row(1)])
    day = NOON.date()
    assert found == {(day, "category", "network"): 0.5, (day, "severity", "low"): 1.0}
    assert expect_errors(store, []) == {}


def test_the_command_collects_into_the_folder_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from data.sql import open_sql_store
    from tests.walk import set_out

    set_out(tmp_path, monkeypatch, dataset="sample")
    monkeypatch.setenv("TICKETS_STORE", "sqlite:///store.db")
    caplog.set_level("INFO")
    command.main([])
    assert "no feedback is new" in caplog.text
    store = open_sql_store("sqlite:///store.db")
    store.know_bundle("bundle-1", LABELS)
    store.add_predictions([make_prediction(n) for n in range(2)])
    store.add_feedback([make_feedback("k0", 0), make_feedback("k1", 1)])
    command.main(["--actor", "anna"])
    assert "'rows': 2" in caplog.text
    store.erase(Erasure(ticket_id="t-0"), "carol", NOON + timedelta(days=1))
    command.main([])
    assert "1 rows of erased tickets" in caplog.text
    manifest = tmp_path / "data/raw/feedback" / MANIFEST
    manifest.write_text(manifest.read_text()[:-9])
    with pytest.raises(SystemExit, match="collect: "):
        command.main([])
    store.close()
