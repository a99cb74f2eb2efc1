"""Looking up, in a real store and a real spool, what was acknowledged."""

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from data.errors import StoreError
from data.sql import open_sql_store
from serving.drills.ledger import Ledger
from serving.drills.lookup import Kept
from serving.spool import Spool
from tests.stores import LABELS, make_feedback, make_prediction


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    kept = Kept(f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "spool")
    with closing(open_sql_store(kept.store)) as store:
        store.know_bundle("bundle-1", LABELS)
        store.add_predictions([make_prediction(1), make_prediction(2)])
        store.add_feedback([make_feedback("in the store", 1)])
    Spool(kept.spool).append([make_feedback("on disk", 2)])
    return kept


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    for number in (1, 2, 3):
        ledger.predicted(f"{number:032x}", time.monotonic())
    for key in ("in the store", "on disk", "nowhere"):
        ledger.took(key, "stored")
    return ledger


def test_only_what_is_neither_in_the_store_nor_on_disk_is_missing(
    kept: Kept, ledger: Ledger
) -> None:
    missing = kept.missing(ledger)
    assert missing.predictions == {f"{3:032x}"}
    assert missing.feedback == {"nowhere"}
    assert missing.number == 2
    assert kept.spooled() == {"on disk"}


def test_how_far_the_store_is_behind_is_the_age_of_what_it_has_not(
    kept: Kept, ledger: Ledger
) -> None:
    time.sleep(0.1)
    assert 0.1 <= kept.behind(ledger) < 60
    assert kept.behind(Ledger()) == 0
    assert 0.1 <= Kept("sqlite:///", kept.spool).behind(ledger) < 60


def test_what_is_on_its_way_is_waited_for(kept: Kept, ledger: Ledger) -> None:
    def arrive() -> None:
        with closing(open_sql_store(kept.store)) as store:
            store.add_predictions([make_prediction(3)])
            store.add_feedback([make_feedback("nowhere", 3)])
            Spool(kept.spool).replay(store.add_feedback)

    late = threading.Timer(0.2, arrive)
    late.start()
    assert kept.settle(ledger, (), patience=30).number == 0
    late.join()


def test_what_may_be_lost_is_not_waited_for(kept: Kept, ledger: Ledger) -> None:
    ledger.feedback.pop()
    with closing(open_sql_store(kept.store)) as store:
        Spool(kept.spool).replay(store.add_feedback)
    began = time.monotonic()
    assert kept.settle(ledger, {f"{3:032x}"}, patience=60).number == 1
    assert time.monotonic() - began < 30


def test_what_does_not_come_is_missing_in_the_end(kept: Kept, ledger: Ledger) -> None:
    assert kept.settle(ledger, (), patience=0.1).number == 2


def test_a_store_that_stays_away_is_told(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    kept = Kept(f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "spool")
    ledger = Ledger()
    ledger.took("k", "stored")
    with pytest.raises(StoreError):
        kept.settle(ledger, (), patience=0.1)
