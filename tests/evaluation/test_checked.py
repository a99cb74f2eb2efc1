"""What one half of the house writes into an event, the other reads."""

import json
from datetime import UTC, datetime
from typing import Any

from data.store import Answered, Event, StoredFeedback
from evaluation.checked import LIVE, DriftTold, LiveTold, read_told
from evaluation.drift_report import DriftReport, Rules, WindowFacts
from evaluation.live import check_live
from tests.stores import make_feedback, make_prediction

VERSION = "invented-aaaaaaaa"


def event(detail: dict[str, Any]) -> Event:
    """An event that went through a store."""
    kept = json.loads(json.dumps(detail))
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return Event(at=at, actor="monitor", action=LIVE, subject=VERSION, detail=kept)


def answered(audited: int, judged: int) -> LiveTold:
    """Live figures of so many audited answers, the judged ones right."""
    rows = [
        Answered(
            stored=make_prediction(i, bundle=VERSION, audit=True, audit_propensity=0.1),
            feedback=[StoredFeedback(**make_feedback(str(i), i).model_dump(), status="accepted")]
            if i < judged
            else (),
        )
        for i in range(audited)
    ]
    return LiveTold.of(check_live(rows).bundles[VERSION], ["as promised"])


def test_live_figures_come_back_as_they_were_told() -> None:
    told = answered(30, 20)
    assert read_told(event(told.detail()), LiveTold) == told
    figures = told.targets["category"]
    assert (figures.audited, figures.answered, figures.accuracy.value) == (30, 20, 1)
    assert told.targets["severity"].accuracy.value is None


def test_drift_comes_back_as_the_report_tells_it() -> None:
    facts = WindowFacts(name="now", tickets=5)
    report = DriftReport(
        reference=facts, current=facts, enough=False, rules=Rules(), reasons=("too few",)
    )
    told = read_told(event(report.detail()), DriftTold)
    assert told == DriftTold(
        reasons=("too few",), action="nothing", enough=False, checks=(), effects={}
    )


def test_what_another_program_wrote_otherwise_is_not_read_and_its_additions_are_passed_over() -> (
    None
):
    detail = answered(3, 3).detail()
    assert read_told(event(detail | {"more": 1}), LiveTold) == answered(3, 3)
    assert read_told(event({"reasons": "none"}), LiveTold) is None
    assert read_told(event({"reasons": [], "action": "dance"}), DriftTold) is None
