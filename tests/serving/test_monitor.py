"""What was checked reaches /metrics, whatever the store does."""

import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from data.errors import StoreError
from data.store import Event
from evaluation.checked import DRIFT, LIVE, LiveTold
from evaluation.live import Estimate, LiveBundle, LiveTarget
from models.deployment import Deployment
from models.withholding import restore, withhold
from serving.monitor import Monitor
from serving.monitor_metrics import MAX_SERIES, MonitorMetrics, Shown
from serving.running import Running, Serving
from tests.serving.arm_fakes import NOW, A, B, NamedAssistant, deployment
from tests.serving.fakes import make_manifest

NOBODY = Estimate(value=None, low=0, high=1, rows=0)


def checked(accuracy: Estimate, automatic: Estimate = NOBODY) -> dict[str, Any]:
    """The detail of a live check of one target."""
    target = LiveTarget(
        audited=250, answered=accuracy.rows, response=0.8, disagreed=0, accuracy=accuracy,
        worst_case=NOBODY, ece=NOBODY, automation=NOBODY, automatic_accuracy=automatic, classes=(),
    )  # fmt: skip
    bundle = LiveBundle(since=NOW, until=NOW, targets={"category": target})
    return LiveTold.of(bundle, ["as promised"]).detail()


def drifted(action: str, checks: list[str], **effects: float) -> dict[str, Any]:
    return {"reasons": [], "action": action, "enough": True, "checks": checks, "effects": effects}


class World:
    """An audit log that may be down, and what runs."""

    def __init__(self) -> None:
        self.log: list[Event] = []
        self.failure: Exception | None = None
        self.bytes = 0
        self.registry = CollectorRegistry()
        self.running: Running | None = None
        self.run(deployment(A, {B: 0.5}))
        self.monitor = Monitor(
            self, MonitorMetrics(self.registry), lambda: self.running, lambda: self.bytes
        )

    def run(self, wanted: Deployment) -> None:
        bundles = {v: Serving(make_manifest(v), NamedAssistant(v)) for v in wanted.versions}
        self.running = Running(wanted, bundles)

    def events(self, limit: int = 100, action: str | None = None) -> list[Event]:
        if self.failure is not None:
            raise self.failure
        found = [event for event in self.log if event.action == action]
        return sorted(found, key=lambda event: event.at, reverse=True)[:limit]

    def add(self, action: str, subject: str, detail: dict[str, Any], hours: int = 0) -> datetime:
        at = NOW + timedelta(hours=hours)
        self.log.append(
            Event(at=at, actor="monitor", action=action, subject=subject, detail=detail)
        )
        return at

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"tickets_{name}", labels)


@pytest.fixture
def world() -> World:
    return World()


def test_live_figures_of_every_bundle_that_runs_are_shown_with_their_intervals(
    world: World,
) -> None:
    right = Estimate(value=0.9, low=0.85, high=0.94, rows=200)
    world.add(LIVE, A, checked(Estimate(value=0.5, low=0.1, high=0.9, rows=9)), hours=1)
    at = world.add(LIVE, A, checked(right), hours=2)
    world.add(LIVE, B, checked(NOBODY, right), hours=1)
    world.add(LIVE, "gone-00000000", checked(right), hours=1)
    world.monitor.look()
    of = {"bundle": A, "target": "category"}
    assert world.value("live_accuracy", **of) == 0.9
    assert world.value("live_accuracy_low", **of) == 0.85
    assert world.value("live_accuracy_high", **of) == 0.94
    assert world.value("live_answered", **of) == 200
    assert math.isnan(world.value("live_accuracy", bundle=B, target="category") or 0)
    assert world.value("live_automatic_accuracy_high", bundle=B, target="category") == 0.94
    assert world.value("live_accuracy", bundle="gone-00000000", target="category") is None
    assert world.value("live_checked_timestamp_seconds") == at.timestamp()


def test_figures_of_a_bundle_that_runs_no_more_are_not_shown_as_known(world: World) -> None:
    world.add(LIVE, B, checked(Estimate(value=0.9, low=0.8, high=1, rows=200)))
    world.monitor.look()
    world.run(deployment(A))
    world.monitor.look()
    of = {"bundle": B, "target": "category"}
    assert math.isnan(world.value("live_accuracy_low", **of) or 0)
    assert world.value("live_answered", **of) == 0


def test_drift_of_the_champion_is_shown_and_ends_with_it(world: World) -> None:
    world.add(DRIFT, A, drifted("retrain", ["language"], language=0.4, length=0.01))
    at = world.add(DRIFT, B, drifted("nothing", [], language=0.0), hours=3)
    world.monitor.look()
    assert world.value("drift_effect", check="language") == 0.4
    assert world.value("drift_flagged", check="language") == 1
    assert world.value("drift_flagged", check="length") == 0
    assert world.value("drift_action", action="retrain") == 1
    assert world.value("drift_action", action="nothing") == 0
    assert world.value("drift_checked_timestamp_seconds") == at.timestamp()
    world.run(deployment("c-22222222"))
    world.monitor.look()
    assert math.isnan(world.value("drift_effect", check="language") or 0)
    assert world.value("drift_flagged", check="language") == 0
    assert world.value("drift_action", action="retrain") == 0


def test_a_withheld_class_is_shown_until_it_is_restored(world: World) -> None:
    lost = withhold(
        deployment(A), A, "category", {"printer": "lost", "no label of ours": "lost"}, NOW
    )
    world.run(lost)
    world.monitor.look()
    of = {"bundle": A, "target": "category", "label": "printer"}
    assert world.value("class_withheld", **of) == 1
    assert world.value("class_withheld", **{**of, "label": "no label of ours"}) is None
    assert world.value("promised_accuracy", bundle=A, target="category") == 0.95
    world.run(restore(lost, A, "category", "printer", NOW))
    world.monitor.look()
    assert world.value("class_withheld", **of) == 0


def test_while_the_store_is_down_gauges_keep_and_their_age_tells(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="serving.monitor")
    world.add(LIVE, A, checked(Estimate(value=0.9, low=0.8, high=1, rows=200)))
    world.monitor.look()
    looked = world.value("monitor_looked_timestamp_seconds")
    assert looked is not None
    assert abs(datetime.now(UTC).timestamp() - looked) < 60
    world.failure, world.bytes = StoreError("the store is down"), 4711
    world.monitor.look()
    world.monitor.look()
    assert world.value("live_accuracy", bundle=A, target="category") == 0.9
    assert world.value("monitor_looked_timestamp_seconds") == looked
    assert world.value("feedback_waiting_bytes") == 4711
    assert [record.message for record in caplog.records] == [
        "what was checked last cannot be read: the store is down"
    ]


def test_a_failure_nobody_thought_of_ends_no_thread_and_tells_no_secret(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.failure = RuntimeError("hunter2")
    world.monitor.look()
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text
    world.failure = None
    world.add(DRIFT, A, drifted("nothing", [], language=0.2))
    world.monitor.look()
    assert world.value("drift_effect", check="language") == 0.2


def test_an_event_of_another_version_of_the_program_is_passed_over(world: World) -> None:
    newer = drifted("nothing", [], length=0.1) | {"more": 1}
    world.add(DRIFT, A, newer, hours=1)
    world.add(DRIFT, A, {"reasons": ["strange"]}, hours=2)
    world.add(LIVE, A, {"reasons": ["strange"]}, hours=2)
    world.monitor.look()
    assert world.value("drift_effect", check="length") == 0.1
    assert world.value("live_accuracy", bundle=A, target="category") is None


def test_before_anything_runs_or_was_checked_only_the_spool_is_shown(world: World) -> None:
    world.monitor.look()
    assert world.value("live_checked_timestamp_seconds") == 0
    assert world.value("drift_checked_timestamp_seconds") == 0
    world.running, world.bytes = None, 7
    world.failure = AssertionError("the store is asked for nothing")
    world.monitor.look()
    assert world.value("feedback_waiting_bytes") == 7


def test_a_gauge_shows_a_bounded_number_of_series() -> None:
    registry = CollectorRegistry()
    gauge = Shown(registry, "tickets_invented", "Invented", ("label",), gone=0.0)
    gauge.show({(f"label-{i}",): 1.0 for i in range(2 * MAX_SERIES)})
    [family] = registry.collect()
    assert len(family.samples) == MAX_SERIES
    gauge.show({("label-0",): 2.0, ("one more",): 3.0})
    [family] = registry.collect()
    values = {sample.labels["label"]: sample.value for sample in family.samples}
    assert (values["label-0"], values["label-1"]) == (2, 0)
    assert "one more" not in values


def test_it_looks_in_a_thread_of_its_own_until_it_is_closed(world: World) -> None:
    world.running = None
    world.monitor.follow(0.01)
    world.bytes = 5
    wait_until(lambda: world.value("feedback_waiting_bytes") == 5)
    world.monitor.close()
    world.bytes = 6
    time.sleep(0.05)
    assert world.value("feedback_waiting_bytes") == 5


def wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.01)
