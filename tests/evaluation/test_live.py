"""Live figures come from the audit sample, and a class that fails its promise loses it."""

import json
from typing import Any

import numpy as np
import pytest

from data.store import Answered
from evaluation.live import LiveReport, check_live
from evaluation.live_classes import Promise, check_classes, promises_of
from evaluation.sequences import as_rows, mean_bounds
from tests.chances import within
from tests.evaluation.audits import answer, judged, says, told


def drawn(random: np.random.Generator, n: int, accuracy: float, **facts: Any) -> list[Answered]:
    return [judged(number, bool(random.random() < accuracy), **facts) for number in range(n)]


def test_only_the_audit_sample_counts_and_the_rest_is_told() -> None:
    rows = [
        judged(1, right=True),
        judged(2, right=False, audit=False),
        judged(3, right=False, arm="shadow"),
        judged(4, right=False, explicit=True),
        judged(5, right=False, audit_propensity=0.0),
    ]
    report = check_live(rows)
    category = report.bundles["champion"].targets["category"]
    assert (category.audited, category.answered, category.accuracy.value) == (1, 1, 1.0)
    assert report.left_out == {
        "arm named by the caller": 1,
        "not audited": 1,
        "shadow": 1,
        "without a probability": 1,
    }


def test_every_figure_of_a_target() -> None:
    auto, review = answer("network", confidence=0.9), answer("printer", "review", 0.6)
    rows = [
        told(1, {"category": auto}, [says(1)]),
        told(2, {"category": auto}, [says(2, "correct", label="printer")]),
        told(3, {"category": review}, [says(3), says(3, "reject", author="ben")]),
        told(4, {"category": auto}),
    ]
    report = check_live(rows)
    bundle = report.bundles["champion"]
    assert (bundle.since, bundle.until) == (rows[0].stored.at, rows[3].stored.at)
    category = bundle.targets["category"]
    assert (category.audited, category.answered, category.response) == (4, 3, 0.75)
    assert category.disagreed == 1
    assert category.accuracy.value == pytest.approx(1 / 3)
    assert category.automation.value == 0.75
    assert category.automation.rows == 4
    assert category.automatic_accuracy.value == 0.5
    # Two confidences of 0.9 of which one is right, one of 0.6 that is wrong.
    assert category.ece.value == pytest.approx((0.8 + 0.6) / 3)
    for figure in (category.accuracy, category.ece, category.automation):
        assert figure.value is not None
        assert 0 <= figure.low <= figure.value <= figure.high <= 1
    assert [(one.label, one.automatic, one.wrong) for one in category.classes] == [
        ("network", 2, 1)
    ]


def test_intervals_are_those_of_the_sequences() -> None:
    rows = drawn(np.random.default_rng(1), 200, 0.8)
    accuracy = check_live(rows).bundles["champion"].targets["category"].accuracy
    right = [row.feedback[0].verdict == "confirm" for row in rows]
    assert (accuracy.low, accuracy.high) == pytest.approx(mean_bounds(as_rows(right)))


def test_propensities_weigh() -> None:
    rows = [judged(n, right=True, audit_propensity=0.5) for n in range(10)]
    rows += [judged(n, right=False, audit_propensity=0.1) for n in range(10, 12)]
    accuracy = check_live(rows).bundles["champion"].targets["category"].accuracy
    assert accuracy.value == pytest.approx((10 / 0.5) / (10 / 0.5 + 2 / 0.1))


def test_those_who_do_not_answer_widen_the_worst_case_and_nothing_else() -> None:
    rows = drawn(np.random.default_rng(2), 300, 0.9)
    silent = [told(number) for number in range(300, 400)]
    alone, both = (
        check_live(some).bundles["champion"].targets["category"] for some in (rows, rows + silent)
    )
    assert both.accuracy == alone.accuracy
    assert both.response == 0.75
    assert both.worst_case.low < 0.9 * 0.75 < alone.accuracy.low
    assert both.worst_case.high > alone.accuracy.high
    assert alone.worst_case.low == pytest.approx(alone.accuracy.low)


def test_a_class_that_fails_its_promise_loses_it_and_the_other_keeps_it() -> None:
    random = np.random.default_rng(3)
    rows = drawn(random, 400, 0.85)
    rows += [told(n, {"category": answer("printer")}, [says(n)]) for n in range(400, 800)]
    bundle = check_live(rows).bundles["champion"]
    network, printer = bundle.targets["category"].classes
    assert (network.state, printer.state) == ("lost", "held")
    assert network.high < 0.95 < printer.low
    assert list(bundle.lost) == ["category"]
    assert bundle.lost["category"] == {"network": network.why}
    assert "0.95 was promised: the accuracy promised was refuted" in network.why


def test_a_class_that_lost_its_promise_does_not_win_it_back_by_later_tickets() -> None:
    rows = [judged(n, right=n % 4 > 0) for n in range(200)]
    rows += [judged(n, right=True) for n in range(200, 3000)]
    (network,) = check_live(rows).bundles["champion"].targets["category"].classes
    assert network.accuracy > 0.95
    assert network.state == "lost"


def test_a_class_is_warned_of_before_it_is_lost() -> None:
    states = []
    for n in range(1, 120, 4):
        rows = [judged(number, right=number % 5 > 0) for number in range(n)]
        states.append(check_live(rows).bundles["champion"].targets["category"].classes[0].state)
    assert states.index("open") < states.index("warning") < states.index("lost")
    assert states[-1] == "lost"


def test_classes_that_keep_their_promise_rarely_lose_it_at_any_moment() -> None:
    random = np.random.default_rng(4)
    lost = warned = 0
    for _ in range(100):
        seen = {label: as_rows(random.random(600) < 0.95) for label in "abc"}
        states = [one.state for one in check_classes(seen, Promise(), 0.05)]
        lost += "lost" in states
        warned += states.count("warning")
    assert within(lost / 100, 0.025, 100)
    assert within(warned / 300, 0.2, 300)


def test_the_family_is_what_was_certified_not_what_was_seen() -> None:
    rows = drawn(np.random.default_rng(5), 300, 0.9)
    few = check_live(rows).bundles["champion"].targets["category"].classes[0]
    promise = Promise(accuracy=0.9, classes=tuple("abcdefghi"))
    many = check_live(rows, {"champion": {"category": promise}})
    one = many.bundles["champion"].targets["category"].classes[0]
    assert one.promised == 0.9
    assert one.low < few.low < few.high < one.high
    assert one.state == "open"


def test_promises_are_read_from_a_certificate() -> None:
    certificate = {
        "category": {
            "accuracy": 0.97,
            "classes": {"network": {"certified": True}, "printer": {"certified": False}},
        }
    }
    assert promises_of(certificate) == {"category": Promise(accuracy=0.97, classes=("network",))}


def test_bundles_and_targets_stand_apart_and_without_rows_there_are_none() -> None:
    both = {"category": answer("network"), "severity": answer("low")}
    rows = [told(1, both, [says(1)]), judged(2, right=False, bundle="rival", arm="challenger")]
    report = check_live(rows)
    assert {name: list(one.targets) for name, one in report.bundles.items()} == {
        "champion": ["category", "severity"],
        "rival": ["category"],
    }
    severity = report.bundles["champion"].targets["severity"]
    assert severity.accuracy.model_dump() == {"value": None, "low": 0.0, "high": 1.0, "rows": 0}
    assert severity.ece.value is severity.automatic_accuracy.value is None
    assert severity.classes == ()
    assert check_live([]).bundles == {}


def test_what_is_not_believed_is_unanswered() -> None:
    report = check_live([judged(1, right=False)], believed=lambda one: one.author != "ann")
    assert report.bundles["champion"].targets["category"].answered == 0


def test_the_report_is_ready_for_json() -> None:
    report = check_live(drawn(np.random.default_rng(6), 30, 0.8))
    assert LiveReport.model_validate_json(report.model_dump_json()) == report
    json.dumps(report.model_dump(mode="json"), allow_nan=False)
