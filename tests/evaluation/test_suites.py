"""behavior.yaml and what is said of its outcomes."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from evaluation.suites import BehaviorReport, Outcome, Suites, read_suites


def outcome(cases: int, failures: int, minimum: float = 0.93) -> Outcome:
    return Outcome(
        kind="invariance",
        name="in capitals",
        target="topic",
        cases=cases,
        failures=failures,
        skipped=2,
        minimum=minimum,
    )


def test_ninety_three_of_a_hundred_pass_at_93_percent() -> None:
    assert outcome(100, 7).passed is True
    assert outcome(100, 8).passed is False


def test_where_nothing_could_be_tried_there_is_no_verdict() -> None:
    untried = outcome(0, 0)
    assert (untried.share, untried.passed) == (None, None)
    assert BehaviorReport(dataset="d", outcomes=(untried,)).passed


def test_one_failure_fails_the_report() -> None:
    report = BehaviorReport(dataset="d", outcomes=(outcome(10, 0), outcome(10, 9)))
    assert not report.passed
    assert report.skipped == 4


def test_the_written_report_holds_the_verdicts(tmp_path: Path) -> None:
    BehaviorReport(dataset="d", outcomes=(outcome(10, 9),)).write(tmp_path / "b.json")
    written = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert written["passed"] is False
    assert written["outcomes"][0]["share"] == pytest.approx(0.1)


def test_the_shipped_suites_are_valid_and_know_the_data_sets() -> None:
    suites = read_suites()
    assert {"sample", "it-service-tickets"} <= set(suites.datasets)
    for cases in suites.datasets.values():
        assert cases.minimum_functionality
        assert cases.direction


def test_an_unknown_transformation_is_refused() -> None:
    with pytest.raises(ValidationError, match="sung aloud"):
        Suites(
            invariance={"sung aloud": 1.0}, evidence=1.0, minimum_functionality=1.0, direction=1.0
        )
