"""What is told of staged incidents follows from the counts and from what the product said."""

import json
from pathlib import Path

import pytest

from evaluation.replay_incident_records import (
    Counts,
    Retrained,
    RolledBack,
    Said,
    Staged,
    StagedMonth,
)
from evaluation.replay_incident_report import summarise_incidents
from evaluation.replay_incident_summary import NONE, main, read_incidents, render_incidents
from evaluation.replay_records import Happened, MonthFacts, Verdict

CALM = Verdict(enough=True, drifted=False, action="nothing")
BAD = "b-3"


def month(number: int, bundle: str, right: int, withheld: tuple[str, ...] = ()) -> StagedMonth:
    facts = MonthFacts.model_validate(
        {
            "month": f"2012-0{number}", "arm": "loop", "bundle": bundle, "tickets": 100,
            "right": right, "automatic": 40, "automatic_right": right // 2, "answers": 10,
            "drift": CALM,
        }
    )  # fmt: skip
    former = Counts(tickets=100, right=70, automatic=30, automatic_right=29)
    return StagedMonth(
        number=number, facts=facts, former=former if bundle == BAD else Counts(),
        wrong_answers=0, withheld=withheld, staged=(),
    )  # fmt: skip


def retrain(number: int, version: str, outcome: str, wrong: int = 0) -> Retrained:
    return Retrained.model_validate(
        {
            "month": f"2012-0{number}", "number": number, "version": version, "outcome": outcome,
            "reasons": [f"the gate on {version}"], "feedback_rows": 50, "wrong_rows": 30,
            "wrong_learned": wrong, "wrong_set_aside": {"revoked": 30 - wrong},
        }
    )  # fmt: skip


def staged(**more: object) -> Staged:
    """Poison in month 1, revoked in 2, a bad bundle after 4, seen in 6, gone after 7."""
    months = [
        *(month(n, "b-1", 70) for n in (1, 2, 3, 4)), month(5, BAD, 40),
        month(6, BAD, 42, ("network",)), month(7, BAD, 41, ("network",)), month(8, "b-1", 71),
        month(9, "b-4", 75),
    ]  # fmt: skip
    batches = [
        Said(month="2012-01", batch="f-1", rows=60, wrong=30, wrong_held=20, right_held=4,
             reasons=("author agent-4: a flood",)),
        Said(month="2012-02", batch="f-2", rows=60, wrong=0, wrong_held=0, right_held=0,
             reasons=()),
    ]  # fmt: skip
    return Staged.model_validate(
        {
            "scenario": "real", "dataset": "bugs", "target": "kind", "first": 4000, "planned": 9,
            "done": 9, "months": months, "batches": batches, "poisoned": ["f-1"],
            "retrains": [
                retrain(1, "b-1", "refused", 12), retrain(2, "b-2", "promoted"),
                retrain(4, BAD, "overridden"), retrain(8, "b-4", "promoted"),
            ],
            "rollbacks": [
                RolledBack(month="2012-07", number=7, version="b-2", former=BAD,
                           by="the supervisor", why="a class lost its certificate"),
            ],
            "bad": BAD, "alerted": 6,
            "events": [
                Happened(month="2012-02", action="feedback.revoked", subject="f-1",
                         reasons=("staged: wrong",)),
                Happened(month="2012-05", action="alert.drift", subject=BAD, reasons=("worse",)),
                Happened(month="2012-06", action="alert.certificate", subject=BAD,
                         reasons=("kind network lost its certificate",)),
            ],
            "seconds": 120.4, **more,
        }
    )  # fmt: skip


def test_the_way_from_the_promotion_to_the_alert_and_back_is_counted() -> None:
    told = summarise_incidents(staged(), "incidents", {}, 4)["override"]
    assert (told["months_to_alert"], told["tickets_to_alert"]) == (2, 200)
    assert (told["first_drift_alert"]["months"], told["first_drift_alert"]["tickets"]) == (1, 100)
    assert told["withheld"] == ["network"]
    assert told["before"]["months"] == ["2012-02", "2012-03", "2012-04"]
    assert told["before"]["accuracy"] == 0.7
    assert told["until_alert"]["accuracy"] == pytest.approx(0.41)
    assert told["until_alert"]["former"]["accuracy"] == 0.7
    assert told["while_withheld"]["months"] == ["2012-07"]
    assert told["after"]["months"] == ["2012-08", "2012-09"]
    assert told["rollback"]["by"] == "the supervisor"
    assert told["recovered_by"]["version"] == "b-4"


def test_a_bad_bundle_that_nobody_noticed_is_told_as_such() -> None:
    silent = staged(alerted=None, rollbacks=[], events=[])
    report = summarise_incidents(silent, "incidents", {}, 4)
    told = report["override"]
    assert told["months_to_alert"] is None
    assert told["until_alert"]["months"][-1] == "2012-09"
    assert (told["while_withheld"], told["after"], told["recovered_by"]) == (None, None, None)
    assert "No class of it lost its certificate" in render_incidents(report)


def test_what_of_the_poison_was_held_learned_and_taken_back_is_told() -> None:
    told = summarise_incidents(staged(), "incidents", {}, 4)["poison"]
    assert (told["wrong"], told["wrong_held"], told["right_held"]) == (30, 20, 4)
    assert (told["honest_batches"], told["honest_batches_suspected"]) == (1, 0)
    assert [one["wrong_learned"] for one in told["learned_by"]] == [12]
    assert told["retrained_without"]["version"] == "b-2"
    assert told["revoked"] == ["f-1"]


def test_no_promotion_against_the_gate_leaves_nothing_to_tell_of_it() -> None:
    report = summarise_incidents(staged(bad=None, poisoned=[], done=4), "incidents", {}, 4)
    assert report["override"] is None
    assert not report["complete"]
    assert "against the gate" not in render_incidents(report)


def test_the_summary_says_in_words_what_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = summarise_incidents(staged(), "incidents", {}, 4)
    text = render_incidents(report)
    assert "held back 20 of 30 wrong rows in 2012-01" in text
    assert "12 of them were learned" in text
    assert "Drift was alerted 100 tickets after the promotion (looks: 1, one a month)" in text
    assert "After 200 tickets (looks: 2) it lost a certificate" in text
    assert "Rolled back by the supervisor after 2012-07" in text
    assert "| until the alert | 200 | 41.0\xa0% |" in text
    monkeypatch.chdir(tmp_path)
    assert render_incidents(read_incidents()) == NONE
    (tmp_path / "evaluation/reports").mkdir(parents=True)
    (tmp_path / "evaluation/reports/replay_incidents.json").write_text(json.dumps(report))
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs/loop.md"
    page.write_text("# Loop\n<!-- incidents: begin -->\n<!-- incidents: end -->\n")
    main()
    assert text in page.read_text()
