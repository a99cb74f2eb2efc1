"""Drift is an alert when it begins, when it asks for something else, and again after a while."""

from datetime import datetime, timedelta

import pytest

from evaluation.checked import DRIFT
from pipelines.drift import make_events
from pipelines.drift_alerts import DRIFTED, find_look, is_due
from tests.pipelines.monitoring import drift_report
from tests.stores import NOON, MemoryStore

DAY = timedelta(days=1)
WEEK = 7 * DAY


def look(store: MemoryStore, action: str, at: datetime, bundle: str = "b-1", **facts: bool) -> bool:
    """One look as either command takes it; gives whether it was an alert."""
    report = drift_report(action, **facts)
    alert = is_due(store, report, bundle, at, WEEK)
    for event in make_events(report, bundle, "clock", at, alert=alert):
        store.log(event)
    return alert


def test_the_same_state_is_told_once_and_again_after_a_week() -> None:
    store = MemoryStore()
    alerts = [day for day in range(16) if look(store, "relabel", NOON + day * DAY)]
    assert alerts == [0, 7, 14]
    assert len(store.events(99, DRIFTED)) == 3
    assert len(store.events(99, DRIFT)) == 16


def test_a_clock_that_is_a_little_early_does_not_lose_a_day() -> None:
    store = MemoryStore()
    assert look(store, "relabel", NOON)
    assert look(store, "relabel", NOON + WEEK - timedelta(minutes=2))


@pytest.mark.parametrize(
    ("actions", "alerts"),
    [
        (("nothing", "relabel", "relabel"), [1]),
        (("relabel", "retrain", "retrain"), [0, 1]),
        (("relabel", "nothing", "relabel"), [0, 2]),
        (("retrain", "adjust_priors"), [0, 1]),
        (("nothing", "nothing"), []),
    ],
)
def test_a_change_of_state_is_told_at_once(actions: tuple[str, ...], alerts: list[int]) -> None:
    store = MemoryStore()
    hour = timedelta(hours=1)
    found = [n for n, action in enumerate(actions) if look(store, action, NOON + n * hour)]
    assert found == alerts


def test_too_few_tickets_are_no_look_and_change_no_state() -> None:
    store = MemoryStore()
    assert look(store, "relabel", NOON)
    assert not look(store, "nothing", NOON + DAY, enough=False)
    assert not look(store, "relabel", NOON + 2 * DAY)


def test_each_bundle_has_a_state_of_its_own() -> None:
    store = MemoryStore()
    assert look(store, "relabel", NOON)
    assert look(store, "relabel", NOON, bundle="b-2")
    assert not look(store, "relabel", NOON + DAY)
    found = find_look(store, "b-2")
    assert found is not None and (found[0].at, found[1].action) == (NOON, "relabel")
    assert find_look(store, "b-3") is None


def test_a_state_nobody_was_told_of_is_told() -> None:
    store = MemoryStore()
    report = drift_report("retrain")
    for event in make_events(report, "b-1", "an older program", NOON, alert=False):
        store.log(event)
    assert look(store, "retrain", NOON + DAY)
