"""What is found in production has consequences, once, and with its reasons kept."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from data.errors import BundleError, ModelError, StoreError
from data.sql import open_sql_store
from data.store import Query
from evaluation.checked import DRIFT, LIVE, DriftTold, LiveTold, read_told
from models.publishing import FolderStore
from pipelines.drift import make_events
from pipelines.drift_alerts import is_due
from pipelines.monitor_params import MonitorParams
from serving.assistants import Assistants
from tests.pipelines.monitoring import World, champion_alone, drift_report, publish
from tests.serving.arm_fakes import NOW, A, B, NamedLoader, deployment


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = open_sql_store(f"sqlite:///{tmp_path / 'store.db'}")
    bundles = FolderStore(tmp_path / "published")
    champion_alone(bundles)
    yield World(store, bundles)
    store.close()


def test_a_class_that_lost_its_certificate_is_withheld_and_told_once(world: World) -> None:
    world.answer(150, wrong=45)
    world.answer(150, label="network")
    report = world.run()
    assert world.withheld() == {"printer"}
    [alert] = report.alerts
    assert (alert.action, alert.subject, alert.label) == ("alert.certificate", A, "printer")
    assert "105 of 150 audited automatic tickets right" in alert.told
    [event] = world.lines("certificate.withheld")
    assert (event.subject, event.actor, event.at) == (A, "tester", NOW)
    assert (event.detail["target"], event.detail["label"]) == ("category", "printer")
    assert "105 of 150" in str(event.detail["reasons"])
    published = world.bundles.find_deployment()
    world.later(hours=1)
    again = world.run()
    assert again.alerts == ()
    assert world.bundles.find_deployment() == published
    assert len(world.lines("certificate.withheld")) == len(world.lines("alert.certificate")) == 1
    assert "is withheld (105 of 150" in " ".join(again.reasons)


def test_a_certificate_that_holds_raises_nothing_and_its_figures_are_logged(world: World) -> None:
    world.answer(200, wrong=4)
    report = world.run()
    assert (report.alerts, world.withheld()) == ((), set())
    [event] = world.lines(LIVE)
    told = read_told(event, LiveTold)
    assert event.subject == A and told is not None
    assert told.targets["category"].automatic_accuracy.value == pytest.approx(0.98)
    assert told.targets["category"].answered == 200
    assert "98.0%" in told.reasons[0]
    assert "of 200 audited answers are right" in told.reasons[0]


def test_what_is_no_evidence_loses_no_certificate(world: World) -> None:
    world.answer(150, wrong=75, audit=False)
    world.answer(150, wrong=75, explicit=True)
    world.answer(150, wrong=75, arm="shadow")
    world.answer(150, wrong=75, bundle="gone-00000000")
    report = world.run()
    assert (report.alerts, world.withheld()) == ((), set())
    assert "No audited answer yet" in " ".join(report.reasons)
    [event] = world.lines(LIVE)
    assert (event.subject, event.detail["targets"]) == (A, {})


def test_only_the_bundle_that_lost_it_withholds_the_class(world: World) -> None:
    publish(world.bundles, deployment(A, {B: 0.1}))
    world.answer(150, wrong=45, bundle=B, arm="challenger", propensity=0.1)
    world.answer(150)
    world.run()
    assert (world.withheld(A), world.withheld(B)) == (set(), {"printer"})
    assert {event.subject for event in world.lines(LIVE)} == {A, B}


def test_it_may_be_told_without_being_withheld(world: World) -> None:
    world.params = MonitorParams(withhold=False)
    world.answer(150, wrong=45)
    assert [alert.action for alert in world.run().alerts] == ["alert.certificate"]
    assert world.withheld() == set()
    assert world.lines("certificate.withheld") == []
    assert world.run().alerts == ()
    world.params = MonitorParams()
    world.run()
    assert world.withheld() == {"printer"}


def test_looking_changes_nothing(world: World) -> None:
    world.answer(150, wrong=45)
    report, _ = world.monitoring.look()
    assert len(report.alerts) == 1
    assert world.withheld() == set()
    assert world.store.events() == []


def test_a_restored_class_is_judged_by_what_comes_after(world: World) -> None:
    world.answer(150, wrong=45)
    world.run()
    world.later(hours=1)
    told = world.monitoring.restore("category", "printer", "labels were corrected")
    assert world.withheld() == set()
    [event] = world.lines("certificate.restored")
    assert event.detail["reasons"] == ["labels were corrected", *told[1:]]
    world.later(hours=1)
    world.answer(100)
    assert world.run().alerts == ()
    assert world.withheld() == set()
    world.later(hours=1)
    world.answer(150, wrong=60)
    assert [alert.action for alert in world.run().alerts] == ["alert.certificate"]
    assert world.withheld() == {"printer"}
    assert len(world.lines("certificate.withheld")) == 2


def test_what_would_have_been_routed_is_evidence_for_restoring_where_the_audit_drew_it(
    world: World,
) -> None:
    world.answer(150, wrong=45)
    world.run()
    world.later(hours=1)
    world.answer(60, wrong=3, reason="certificate_lost")
    world.answer(60, wrong=60, reason="certificate_lost", audit=False)
    world.answer(60, wrong=60, reason="below_threshold")
    [withheld] = world.run().live.withheld
    assert (withheld.bundle, withheld.target, withheld.label) == (A, "category", "printer")
    assert withheld.accuracy.rows == 60
    assert withheld.accuracy.value == pytest.approx(0.95)
    told = world.monitoring.restore("category", "printer", "as good as before")
    assert "95.0%" in told[1]
    assert "of 60 audited answers that would have been routed" in told[1]


def test_evidence_for_restoring_begins_anew_too(world: World) -> None:
    world.answer(150, wrong=45)
    world.run()
    world.answer(60, reason="certificate_lost")
    world.later(hours=1)
    world.monitoring.restore("category", "printer", "a try")
    world.later(hours=1)
    world.answer(150, wrong=60)
    world.run()
    world.later(hours=1)
    world.answer(20, wrong=1, reason="certificate_lost")
    [withheld] = world.run().live.withheld
    assert withheld.accuracy.rows == 20


def test_only_what_is_withheld_can_be_restored(world: World) -> None:
    with pytest.raises(ModelError, match="does not withhold category printer"):
        world.monitoring.restore("category", "printer", "why not")
    with pytest.raises(ModelError, match="has no part"):
        world.monitoring.restore("category", "printer", "why not", version=B)
    assert world.store.events() == []


def test_a_store_that_fails_keeps_no_wrong_answer_going_and_is_caught_up_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.answer(150, wrong=45)
    report, _ = world.monitoring.look()

    def down(event: object) -> None:
        raise StoreError("the store is down")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "log", down)
        with pytest.raises(StoreError):
            world.monitoring.act(report)
    assert world.withheld() == {"printer"}
    world.later(minutes=5)
    assert [alert.action for alert in world.run().alerts] == ["alert.certificate"]
    assert len(world.lines("certificate.withheld")) == 1


def test_a_live_server_follows_within_one_look_and_loads_nothing(world: World) -> None:
    loader = NamedLoader()
    assistants = Assistants(world.bundles, loader, world.bundles.root)
    assistants.refresh()
    world.answer(150, wrong=45)
    world.run()
    assistants.refresh()
    running = assistants.take()
    assert running.deployment.withheld_of(A).keys() == {"category"}
    assert loader.loaded == [A]


def test_drift_is_looked_at_once_per_window(world: World) -> None:
    for hours, looks in ((0, 1), (24, 1), (6 * 24 - 2, 1), (1.5, 2), (1, 2)):
        world.answer_some()
        world.later(hours=hours)
        world.run()
        assert len(world.looks) == looks, f"after {world.now - NOW}"
    assert len(world.lines(DRIFT)) == 2
    span = timedelta(days=7)
    assert all(until - since == span for since, until in world.looks)


def test_drift_that_asks_for_something_is_an_alert(world: World) -> None:
    world.answer_some()
    world.drift = drift_report("retrain")
    [alert] = world.run().alerts
    assert (alert.action, alert.subject, alert.reasons) == (
        "alert.drift",
        A,
        ("in words: retrain",),
    )
    [event] = world.lines(DRIFT)
    told = read_told(event, DriftTold)
    assert told is not None
    assert (told.action, told.checks, told.effects) == ("retrain", ("language",), {"language": 0.4})
    assert [event.detail["reasons"] for event in world.lines("alert.drift")] == [
        ["in words: retrain"]
    ]
    world.later(hours=1)
    assert world.run().alerts == ()


def test_a_daily_look_of_the_other_command_counts_and_is_told_once(world: World) -> None:
    told = []
    for day in range(9):
        world.answer_some()
        report = drift_report("relabel")
        alert = is_due(world.store, report, A, world.now, timedelta(days=7))
        for event in make_events(report, A, "clock", world.now, alert=alert):
            world.store.log(event)
        told += [day] if alert else []
        world.later(minutes=30)
        assert world.run().alerts == ()
        world.later(days=1, minutes=-31)
    assert told == [0, 7]
    assert world.looks == []
    assert len(world.lines("alert.drift")) == 2


def test_a_window_too_small_to_judge_is_no_look(world: World) -> None:
    world.answer_some()
    world.drift = drift_report("nothing", enough=False)
    assert "in words: nothing" in world.run().reasons
    world.run()
    assert len(world.looks) == 2
    assert world.lines(DRIFT) == []


def test_a_new_champion_is_looked_at_at_once(world: World) -> None:
    world.answer_some()
    world.run()
    publish(world.bundles, deployment(B))
    assert "no answer since" in " ".join(world.run().reasons)
    world.answer_some(bundle=B)
    world.run()
    assert len(world.looks) == 2


def test_a_bundle_without_a_reference_is_watched_all_the_same(world: World) -> None:
    world.drift = BundleError("it has none")
    world.answer(150, wrong=45)
    world.answer_some()
    report = world.run()
    assert "Drift cannot be looked at: it has none." in report.reasons
    assert world.withheld() == {"printer"}
    world.answer_some(bundle="gone-00000000")
    world.bundles.deploy(deployment("gone-00000000"))
    assert "gone-00000000 is not in the bundle store" in " ".join(world.run().reasons)


def test_without_a_champion_there_is_nothing_to_watch(world: World) -> None:
    (world.bundles.root / "deployment.json").unlink()
    with pytest.raises(ModelError, match="names no champion"):
        world.monitoring.look()


def test_warnings_and_silence_are_told(world: World) -> None:
    world.answer(40, wrong=8)
    world.store.add_predictions(
        [
            row.stored.model_copy(update={"id": f"{9_000 + i:032x}"})
            for i, row in enumerate(world.store.search(Query(), 10).found)
        ]
    )
    told = " ".join(world.run().reasons)
    assert "it may be below the accuracy promised" in told
    assert "nobody said whether 10 of 50 audited answers were right" in told
