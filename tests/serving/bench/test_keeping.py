"""What was measured outlives an interruption and is never mixed with what is of elsewhere."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.bench_records import BulkFigures, ColdStart, SystemFacts
from serving.bench.keeping import Kept, to_json
from serving.bench.plan import FULL, PLANS, QUICK, Point
from serving.bench.processes import BenchError
from serving.bench.systems.catalogue import IN_PROCESS, OURS, OURS_CACHED, STOCK, SYSTEMS
from tests.bench_fakes import make_point, make_report

PLAN = replace(QUICK, systems=((OURS, 1), (STOCK, 1)), clients=(1, 8), rates=(20.0,), starts=2)


def test_a_run_begun_again_goes_on_behind_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "quick.json"
    kept = Kept(path, make_report())
    first, *others = kept.open_points(PLAN)
    assert first == Point(OURS, 1, clients=1)
    kept.keep_point(make_point(OURS, 1, clients=1))
    again = Kept(path, make_report())
    assert again.open_points(PLAN) == others
    assert again.report == kept.report
    assert Kept(path, make_report(), again=True).open_points(PLAN) == [first, *others]


@pytest.mark.parametrize("other", [{"bundle": "sample-ffffffff"}, {"seed": 2}])
def test_points_of_another_setting_are_not_mixed_in(
    tmp_path: Path, other: dict[str, object]
) -> None:
    path = tmp_path / "quick.json"
    Kept(path, make_report()).keep_point(make_point(OURS, 1, clients=1))
    with pytest.raises(BenchError, match=f"another {next(iter(other))}: --again"):
        Kept(path, make_report(**other))


def test_what_is_forgotten_of_a_system_is_measured_anew(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "quick.json", make_report())
    for system in (OURS, STOCK):
        kept.keep_point(make_point(system, 1, clients=1))
    kept.forget([OURS])
    assert [point.system for point in kept.report.points] == [STOCK]
    assert Kept(tmp_path / "quick.json", make_report()).report == kept.report


def test_a_system_started_again_replaces_what_was_known_of_it(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "quick.json", make_report())
    for ready in (3.0, 4.0):
        kept.keep_system(
            SystemFacts(
                name=OURS, title="Ours", tells="everything", workers=1, ready_seconds=ready,
                same_decisions=1.0, compared=10,
            )
        )  # fmt: skip
    assert [facts.ready_seconds for facts in kept.report.systems] == [4.0]


def test_systems_stand_in_the_order_of_their_catalogue() -> None:
    """Also where the first of them was measured again, after the others."""
    told = [
        SystemFacts(
            name=name, title=name, tells="everything", workers=workers, ready_seconds=1.0,
            same_decisions=1.0, compared=10,
        )
        for name, workers in ((STOCK, 1), (OURS, 2), (OURS, 1))
    ]  # fmt: skip
    written = json.loads(to_json(make_report().model_copy(update={"systems": tuple(told)})))
    assert [(one["name"], one["workers"]) for one in written["systems"]] == [
        (OURS, 1), (OURS, 2), (STOCK, 1),
    ]  # fmt: skip


def test_a_report_tells_what_it_still_lacks(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "quick.json", make_report())
    assert kept.missing(PLAN) == ["7 points", "cold starts", "bulk scoring"]
    kept.keep(cold_starts=(ColdStart(workers=1, seconds=(3.0,)),))
    kept.keep(bulk=(BulkFigures(rows=10, seconds=1.0, peak_mib=100),))
    for point in kept.open_points(PLAN):
        kept.keep_point(
            make_point(
                point.system, point.workers, clients=point.clients, rate=point.rate,
                repeated=point.repeated,
            )
        )  # fmt: skip
    assert kept.missing(PLAN) == []


def test_each_plan_measures_all_that_is_promised() -> None:
    assert set(PLANS) == {"full", "quick"}
    points = FULL.all_points()
    assert {point.clients for point in points if point.system == OURS} >= {1, 8, 32, 64}
    assert {point.system for point in points} == set(SYSTEMS)
    assert 167.0 in {point.rate for point in points}
    assert not [p for p in points if p.system == IN_PROCESS and p.rate is not None]
    assert len(set(points)) == len(points)
    for plan in PLANS.values():
        workers = max(workers for _, workers in plan.systems)
        for repeated in (False, True):
            most = Point(OURS, workers, clients=plan.clients[-1], repeated=repeated)
            assert {most, replace(most, system=OURS_CACHED)} <= set(plan.all_points())
    assert QUICK.seconds_of(QUICK.all_points()) < 300
    assert FULL.seconds_of(points) < 3600


def test_a_point_is_told_in_words() -> None:
    assert str(Point(OURS, 2, clients=8)) == "ours, 2 workers, 8 clients"
    assert str(Point(OURS, 1, rate=20.0)) == "ours, 1 worker, 20 a second"
    assert str(Point(OURS, 1, clients=8, repeated=True)).endswith("8 clients, repeated texts")
