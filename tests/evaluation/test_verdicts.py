"""A verdict may be read at any time, rarely errs however often it is, and says why it waits."""

from typing import Any

import numpy as np
import pytest

from data.store import Answered
from evaluation.contest import Contest
from evaluation.guardrails import Measured, VerdictRules
from evaluation.live_classes import Promise
from evaluation.sequence_differences import as_arms, evidence_of_gain
from evaluation.verdicts import Verdict, judge_duel
from tests.chances import within
from tests.evaluation.audits import answer, judged, period, says, told

# Most arms here are worse than any real certificate; what it does is tested on its own.
PROMISE = Promise(accuracy=0.5)
MODEST = {name: {"category": PROMISE, "severity": PROMISE} for name in ("champion", "rival")}
RULES = VerdictRules(least_answers=50, margin=0.05)


def verdict(rows: list[Answered], rules: VerdictRules = RULES, **facts: Any) -> Verdict:
    given: dict[str, Any] = {"promises": MODEST, **facts}
    return judge_duel(rows, "champion", "rival", rules=rules, **given)


def state_of(found: Verdict, name: str) -> str:
    return next(one.state for one in found.guardrails if one.name == name)


def test_equal_arms_read_after_every_50_rows_are_rarely_promoted() -> None:
    random = np.random.default_rng(41)
    promoted = different = 0
    runs, limit = 400, np.log(2 / 0.05)
    for _ in range(runs):
        second = random.random(2000) < 0.3
        arms = as_arms(random.random(2000) < 0.88, second, np.where(second, 0.3, 0.7))
        gain, loss = evidence_of_gain(arms)[49::50], evidence_of_gain(arms.swapped)[49::50]
        promoted += bool(gain.max() >= limit)
        different += bool(max(gain.max(), loss.max()) >= limit)
    assert within(promoted / runs, 0.025, runs)
    assert within(different / runs, 0.05, runs)


def test_what_is_read_there_is_what_decides() -> None:
    rows = period(np.random.default_rng(42), 300, 0.8, 0.95)
    gap = verdict(rows).targets["category"].accuracy
    second = [row.stored.arm == "challenger" for row in rows]
    right = [row.feedback[0].verdict == "confirm" for row in rows]
    arms = as_arms(right, second, [row.stored.propensity for row in rows])
    assert gap.evidence_better == pytest.approx(evidence_of_gain(arms)[-1])
    contest = Contest.apart([float(one) for one in right], second, [0.5] * 300, 0.05)
    assert contest.gap == gap


def test_a_gain_of_eight_points_is_found_in_most_experiments() -> None:
    random = np.random.default_rng(43)
    found = []
    for _ in range(100):
        second = random.random(1500) < 0.5
        right = random.random(1500) < np.where(second, 0.92, 0.84)
        gain = evidence_of_gain(as_arms(right, second))
        found.append(bool(gain[49::50].max() >= np.log(2 / 0.05)))
    assert np.mean(found) >= 0.85


def test_a_challenger_that_is_worse_is_called_so() -> None:
    found = verdict(period(np.random.default_rng(44), 1200, 0.95, 0.8))
    assert found.outcome == "worse"
    assert found.missing == 0
    assert found.reasons[0].startswith("category: accuracy -0.1")
    assert found.champion_answers + found.rival_answers == 1200


def test_too_few_answers_are_too_early_whatever_they_say() -> None:
    rows = period(np.random.default_rng(45), 300, 0.5, 1.0)
    assert verdict(rows).outcome == "better"
    found = verdict(rows, VerdictRules(least_answers=200))
    assert found.outcome == "too early"
    assert "at least 200 of each are asked for" in found.reasons[0]
    assert found.missing is not None
    assert found.missing > 0


def test_equal_arms_end_in_no_difference_worth_the_name() -> None:
    rules = VerdictRules(margin=0.15)
    found = verdict(period(np.random.default_rng(46), 800, 0.9, 0.9), rules)
    assert found.outcome == "no difference worth the name"
    assert found.missing == 0


def test_an_undecided_experiment_says_how_many_more_it_takes() -> None:
    found = verdict(period(np.random.default_rng(47), 400, 0.85, 0.9))
    assert found.outcome == "too early"
    assert found.missing is not None
    assert f"about {found.missing:,} more are needed" in found.reasons[0]


def test_some_answers_cannot_tell_how_many_more_it_takes() -> None:
    # Both arms get the same nine of ten right, so that no gap and no margin this small shows.
    arms = ({"propensity": 0.5}, {"propensity": 0.5, "bundle": "rival", "arm": "challenger"})
    rows = [judged(n, n // 2 % 10 > 0, **arms[n % 2]) for n in range(400)]
    found = verdict(rows, VerdictRules(least_answers=50, margin=1e-5))
    assert (found.outcome, found.missing) == ("too early", None)
    assert "those seen cannot tell how many more it takes" in found.reasons[0]


def test_without_answers_it_is_too_early_and_nobody_knows_for_how_long() -> None:
    found = verdict([])
    assert (found.outcome, found.missing) == ("too early", None)
    assert found.reasons == ("nothing was answered yet",)
    only = verdict([judged(n, right=True) for n in range(10)])
    assert (only.outcome, only.missing) == ("too early", None)
    assert state_of(only, "automation of category") == "open"


def test_what_is_no_evidence_changes_nothing() -> None:
    rows = period(np.random.default_rng(48), 300, 0.8, 0.9)
    rival = {"bundle": "rival", "arm": "challenger"}
    noise = [
        *(judged(n, right=False, explicit=True, **rival) for n in range(1000, 1200)),
        *(judged(n, right=False, bundle="third", arm="challenger") for n in range(1200, 1400)),
        *(judged(n, right=False, arm="shadow", bundle="rival") for n in range(1400, 1600)),
    ]
    assert verdict(rows + noise) == verdict(rows)
    unasked = [judged(n, right=False, audit=False, propensity=0.5, **rival) for n in (2001, 2002)]
    assert (
        verdict(rows + unasked).targets["category"].accuracy
        == verdict(rows).targets["category"].accuracy
    )


def test_shares_that_change_while_tickets_become_harder_blame_nobody() -> None:
    random = np.random.default_rng(49)
    easy = period(random, 1000, 0.97, 0.97, share=0.1)
    hard = [
        row.model_copy(update={"stored": row.stored.model_copy(update={"id": f"{n:032x}"})})
        for n, row in enumerate(period(random, 1000, 0.7, 0.7, share=0.6), 5000)
    ]
    gap = verdict([*easy, *hard]).targets["category"].accuracy
    assert gap.low < 0 < gap.high


# Several targets ------------------------------------------------------------------------------


def two_targets(
    n: int, category: tuple[float, float], severity: tuple[float, float]
) -> list[Answered]:
    random = np.random.default_rng(50)
    rows = []
    for number in range(n):
        second = bool(random.random() < 0.5)
        said = [
            says(number, "confirm" if random.random() < figures[second] else "reject", target=name)
            for name, figures in (("category", category), ("severity", severity))
        ]
        rows.append(
            told(
                number,
                {"category": answer("network"), "severity": answer("low")},
                said,
                bundle="rival" if second else "champion",
                arm="challenger" if second else "champion",
                propensity=0.5,
            )
        )
    return rows


def test_a_target_that_is_worse_decides() -> None:
    found = verdict(two_targets(1200, (0.8, 0.95), (0.95, 0.8)))
    assert found.outcome == "worse"
    assert [reason.split(":")[0] for reason in found.reasons] == ["severity"]


def test_a_gain_waits_until_the_other_target_is_safe() -> None:
    rules = VerdictRules(margin=0.08)
    waiting = verdict(two_targets(500, (0.7, 0.95), (0.9, 0.9)), rules)
    assert waiting.targets["category"].outcome == "better"
    assert waiting.outcome == "too early"
    assert any("severity may be worse by more than 0.08" in one for one in waiting.reasons)
    assert verdict(two_targets(3000, (0.7, 0.95), (0.9, 0.9)), rules).outcome == "better"


def test_one_gain_beside_no_difference_is_a_gain_told_first() -> None:
    rules = VerdictRules(margin=0.2)
    found = verdict(two_targets(900, (0.9, 0.9), (0.6, 0.95)), rules)
    assert {name: one.outcome for name, one in found.targets.items()} == {
        "category": "no difference worth the name",
        "severity": "better",
    }
    assert found.outcome == "better"
    assert [reason.split(":")[0] for reason in found.reasons] == ["severity", "category"]


def test_alpha_is_shared_among_the_targets() -> None:
    rows = two_targets(400, (0.8, 0.9), (0.8, 0.9))
    both = verdict(rows).targets["category"].accuracy
    half = verdict(rows, RULES.model_copy(update={"alpha": 0.1})).targets["category"].accuracy
    assert both.low < half.low < half.high < both.high


# Guardrails -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def winning() -> list[Answered]:
    return period(np.random.default_rng(51), 800, 0.7, 0.97)


def test_without_measurements_latency_and_errors_are_not_measured(winning: list[Answered]) -> None:
    found = verdict(winning)
    assert found.outcome == "better"
    assert state_of(found, "latency") == state_of(found, "errors") == "not measured"
    assert state_of(found, "certificate") == "held"
    assert state_of(found, "automation of category") == "held"


@pytest.mark.parametrize(
    ("champion", "rival", "broken"),
    [
        (Measured(p95_ms=40), Measured(p95_ms=59), None),
        (Measured(p95_ms=40), Measured(p95_ms=61), "latency"),
        (Measured(error_rate=0.001), Measured(error_rate=0.01), None),
        (Measured(error_rate=0.001), Measured(error_rate=0.012), "errors"),
    ],
)
def test_slow_or_failing_challengers_are_worse_however_right(
    winning: list[Answered], champion: Measured, rival: Measured, broken: str | None
) -> None:
    found = verdict(winning, measured={"champion": champion, "rival": rival})
    assert found.outcome == ("better" if broken is None else "worse")
    if broken:
        assert state_of(found, broken) == "broken"
        assert found.reasons[0].startswith(f"{broken} is broken: ")


def test_a_challenger_that_lost_a_certificate_is_worse() -> None:
    rows = period(np.random.default_rng(52), 1200, 0.6, 0.8)
    promises = {**MODEST, "rival": {"category": Promise()}}
    found = verdict(rows, promises=promises)
    assert found.targets["category"].outcome == "better"
    assert found.outcome == "worse"
    assert state_of(found, "certificate") == "broken"
    assert "lost by category network" in found.reasons[0]
    both = verdict(rows, promises={})
    assert (both.outcome, state_of(both, "certificate")) == ("better", "held")
    assert any(one.why.startswith("lost by both arms: category") for one in both.guardrails)


def test_automation_may_not_fall(winning: list[Answered]) -> None:
    def routed(row: Answered, every: int) -> Answered:
        if row.stored.arm == "champion" or int(row.stored.id, 16) % every:
            return row
        prediction = row.stored.prediction.model_copy(
            update={"targets": {"category": answer("network", "review")}}
        )
        stored = row.stored.model_copy(update={"prediction": prediction})
        return row.model_copy(update={"stored": stored})

    much = verdict([routed(row, 2) for row in winning])
    assert (much.outcome, state_of(much, "automation of category")) == ("worse", "broken")
    little = verdict([routed(row, 12) for row in winning])
    assert (little.outcome, state_of(little, "automation of category")) == ("too early", "open")
    assert any("automation of category is not clear yet" in one for one in little.reasons)


# Shadows --------------------------------------------------------------------------------------


def beside(number: int, label: str, decision: str = "auto", fraction: float = 0.5) -> Answered:
    return told(
        number + 100_000,
        {"category": answer(label, decision)},  # type: ignore[arg-type]
        bundle="rival",
        arm="shadow",
        propensity=fraction,
        audit=False,
        beside=f"{number:032x}",
    )


def shadowed(rows: list[Answered], rules: VerdictRules = RULES) -> Verdict:
    return judge_duel(rows, "champion", "rival", "shadow", rules)


@pytest.mark.parametrize(
    ("said", "label", "gain", "unknown"),
    [
        (says(1), "network", 0.0, 0),
        (says(1), "printer", -1.0, 0),
        (says(1, "correct", label="printer"), "printer", 1.0, 0),
        (says(1, "correct", label="printer"), "access", 0.0, 0),
        (says(1, "reject"), "network", 0.0, 0),
        (says(1, "reject"), "printer", 0.0, 1),
    ],
)
def test_a_shadow_is_judged_by_what_was_said_of_the_champion(
    said: object, label: str, gain: float, unknown: int
) -> None:
    row = told(1, said=[said])  # type: ignore[list-item]
    for rows in ([row, beside(1, label)], [beside(1, label), row]):
        found = shadowed(rows).targets["category"]
        assert found.accuracy.value == gain
        assert found.unknown == unknown
        assert found.accuracy.champion_rows == found.accuracy.challenger_rows == 1


def test_a_better_shadow_is_found_and_not_counted_twice() -> None:
    random = np.random.default_rng(53)
    rows = []
    for n in range(1000):
        right = bool(random.random() < 0.85)
        rows.append(judged(n, right))
        better = "printer" if not right and random.random() < 0.6 else "network"
        rows.append(beside(n, better))
    found = shadowed(rows)
    assert found.outcome == "better"
    assert (found.champion_answers, found.rival_answers) == (1000, 1000)
    assert state_of(found, "certificate") == "not measured"


def test_a_shadow_that_routes_less_is_seen_without_any_audit() -> None:
    rows = []
    for n in range(400):
        rows.append(told(n, audit=False))
        rows.append(beside(n, "network", "review" if n % 3 == 0 else "auto"))
    found = shadowed(rows)
    assert found.targets["category"].automation.value == pytest.approx(-1 / 3, abs=0.01)
    assert (found.outcome, state_of(found, "automation of category")) == ("worse", "broken")


def test_answers_without_their_pair_are_passed_over() -> None:
    other = told(3, {"severity": answer("low")}, bundle="rival", arm="shadow", audit=False,
                 beside=f"{1:032x}")  # fmt: skip
    rows = [judged(1, right=True), beside(2, "network"), other, beside(1, "network")]
    found = shadowed(rows).targets
    assert found["category"].accuracy.champion_rows == 0
    assert found["category"].missing is None


def test_the_verdict_is_ready_for_json(winning: list[Answered]) -> None:
    found = verdict(winning)
    assert Verdict.model_validate_json(found.model_dump_json()) == found
