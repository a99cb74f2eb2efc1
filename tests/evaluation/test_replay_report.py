"""What is told of a replay follows from its counts."""

import json
from datetime import UTC, datetime

import pytest

from evaluation.gate_class_rules import RECALL
from evaluation.gate_decision import GateDecision, Rule
from evaluation.gate_params import GateParams
from evaluation.replay_page import curves_figure, moving_share, render_page
from evaluation.replay_records import (
    Apart,
    ClassLoss,
    Happened,
    MonthFacts,
    Pair,
    Played,
    Promotion,
    Verdict,
    losses_of,
)
from evaluation.replay_report import summarise, tell_promotion

GATE = GateParams()
CALM = Verdict(enough=True, drifted=False, action="nothing")
FLAGGED = Verdict(enough=True, drifted=True, action="relabel", reasons=("something moved",))


def facts(month: str, arm: str, right: int, drift: Verdict = CALM) -> MonthFacts:
    return MonthFacts.model_validate(
        {
            "month": month, "arm": arm, "bundle": "b-1", "tickets": 100, "right": right,
            "automatic": 40, "automatic_right": 38, "answers": 10, "drift": drift,
        }
    )  # fmt: skip


def pairs(wrong: int, n: int = 60) -> tuple[Pair, ...]:
    """After a promotion: the new champion misses `wrong` tickets of `cloud` the former one got."""
    return tuple(
        Pair(
            month="2012-02",
            version="b-2",
            ticket=f"t{i}",
            truth="cloud",
            label="library" if i < wrong else "cloud",
            automatic=True,
            former_label="cloud",
            former_automatic=True,
        )
        for i in range(n)
    )


def played(**more: object) -> Played:
    promotion = Promotion(month="2012-01", version="b-2", former="b-1", gate=())
    return Played.model_validate(
        {
            "scenario": "real", "dataset": "bugs", "target": "kind", "first": 400, "planned": 3,
            "done": 3,
            "months": [
                *(facts(m, "fixed", 60) for m in ("2011-12", "2012-01", "2012-02")),
                facts("2011-12", "loop", 60, FLAGGED), facts("2012-01", "loop", 70),
                facts("2012-02", "loop", 80),
            ],
            "apart": [
                Apart(month="2011-12", tickets=100, only_loop=0, only_fixed=0),
                Apart(month="2012-01", tickets=100, only_loop=15, only_fixed=5),
                Apart(month="2012-02", tickets=100, only_loop=22, only_fixed=2),
            ],
            "events": [
                Happened(month="2011-12", action="alert.drift", subject="b-1", reasons=("moved",)),
                Happened(month="2012-01", action="retrain.finished", subject="b-2", reasons=()),
            ],
            "promotions": [promotion],
            "pairs": pairs(0),
            "seconds": 12.4,
            **more,
        }
    )  # fmt: skip


def test_years_tell_both_arms_and_what_was_gained() -> None:
    told = summarise({"real": played()}, "quick", {"members": ["linear"]}, GATE)
    first, second = told["real"]["years"]
    assert first["gained"]["accuracy"] == 0
    assert second["loop"]["accuracy"] == 0.75
    assert second["fixed"]["accuracy"] == 0.6
    assert second["gained"]["accuracy"] == pytest.approx((37 - 7) / 200)
    low, high = second["gained"]["interval"]
    assert 0 < low < 0.15 < high
    assert (second["retrains"], second["promotions"]) == (1, 1)
    assert told["complete"]
    assert told["real"]["looks"]["loop"]["first_alarm"] == "2011-12"
    assert told["real"]["looks"]["fixed"]["alarms"] == 0
    json.dumps(told)


def test_a_class_that_lost_more_than_its_budget_after_a_promotion_is_named() -> None:
    fine = tell_promotion(played().promotions[0], pairs(0), GATE)
    assert fine["worse"] == []
    assert fine["accuracy_after"] == 1
    bad = tell_promotion(played().promotions[0], pairs(20), GATE)
    assert f"after: {RECALL} cloud" in bad["worse"]
    assert bad["accuracy_after"] == pytest.approx(2 / 3, abs=1e-4)
    assert bad["former_accuracy_after"] == 1
    told = summarise({"real": played(pairs=pairs(20))}, "quick", {}, GATE)
    assert told["real"]["class_made_worse"] == 1


def test_a_promotion_nobody_watched_says_nothing() -> None:
    told = tell_promotion(played().promotions[0], (), GATE)
    assert told["tickets_after"] == 0
    assert told["accuracy_after"] is None


def test_only_the_first_months_after_a_promotion_count() -> None:
    later = tuple(
        pair.model_copy(update={"month": f"2012-0{2 + i % 5}"}) for i, pair in enumerate(pairs(0))
    )
    told = tell_promotion(played().promotions[0], later, GATE)
    assert told["months_after"] == ["2012-02", "2012-03", "2012-04"]
    assert told["tickets_after"] == 36


def test_flags_in_a_control_are_false_alarms() -> None:
    months = [facts(f"month 00{i}", "watched", 60, FLAGGED if i == 2 else CALM) for i in range(5)]
    few = Verdict(enough=False, drifted=False, action="nothing")
    months.append(facts("month 006", "watched", 60, few))
    lost = Happened(month="month 003", action="alert.certificate", subject="b-1", reasons=())
    control = played(scenario="shuffled", months=months, events=[lost], done=2)
    told = summarise({"shuffled": control}, "quick", {}, GATE)
    assert told["real"] is None
    assert not told["complete"]
    alarms = told["controls"]["shuffled"]["false_alarms"]
    assert (alarms["drift"], alarms["certificate"]) == (1, 1)
    assert told["controls"]["shuffled"]["looks"]["looks"] == 5
    low, high = alarms["drift_rate_interval"]
    assert low < 1 / 5 < high
    nothing = summarise({"other": played(months=[])}, "quick", {}, GATE)
    assert nothing["controls"]["other"]["false_alarms"]["drift_rate_interval"] is None


def test_the_worst_class_of_each_rule_and_source_is_kept_of_a_decision() -> None:
    def rule(label: str | None, value: float | None, name: str = RECALL) -> Rule:
        return Rule(
            name=name, passed=value is None or value > -0.02, value=value, limit=-0.02, why="so",
            source="test", target="kind", label=label,
        )  # fmt: skip

    decision = GateDecision(
        passed=False, candidate="b-2", champion="b-1", reasons=("a class lost",),
        rules=(rule("cloud", 0.1), rule("library", -0.3), rule("web", 0.0), rule(None, 0.0),
               rule("cloud", -0.9, "latency")),
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert losses_of(decision) == (
        ClassLoss(rule=RECALL, source="test", label="library", difference=-0.3, budget=-0.02,
                  within=False),
    )  # fmt: skip


def test_the_page_stands_alone_and_tells_the_figures() -> None:
    control = played(scenario="shuffled", months=[facts("month 001", "watched", 60)])
    told = summarise({"real": played(), "shuffled": control}, "quick", {}, GATE)
    page = render_page(told)
    assert "<svg" in page
    assert 'src="http' not in page
    assert "<link" not in page
    assert "75.0 %" in page
    assert "alert.drift" in page
    assert "No promotion was shown to make a class worse" in page
    only = render_page(summarise({"shuffled": control}, "quick", {}, GATE))
    assert "<svg" not in only
    worse = render_page(summarise({"real": played(pairs=pairs(20))}, "quick", {}, GATE))
    assert "1 times a" in " ".join(worse.split())


def test_curves_are_means_of_three_months_weighted_by_tickets() -> None:
    months = [
        {"tickets": 100, "accuracy": 0.5}, {"tickets": 300, "accuracy": 0.9},
        {"tickets": 0, "accuracy": None}, {"tickets": 100, "accuracy": 0.1},
    ]  # fmt: skip
    assert moving_share(months, "accuracy") == pytest.approx([0.5, 0.8, 0.8, 0.7])
    figure = curves_figure(summarise({"real": played()}, "quick", {}, GATE)["real"])
    assert [len(axes.lines) > 0 for axes in figure.axes] == [True, True]
