"""Whether a challenger is better than the champion: a verdict that may be read at any time.

Per target the difference in accuracy has an interval that holds at every moment at once, with alpha
shared among the targets. The verdict over all of them:

worse       a guardrail is broken, or one target is worse
better      one target is better, the others are not worse by the margin, and no guardrail is open
no difference worth the name
            every target lies within the margin
too early   anything else, or fewer audited answers than the rules ask for

A challenger that is no better on any target is called better with probability alpha / 2 at most,
however often one looks. Several challengers are judged each for itself.
"""

from collections.abc import Iterable, Mapping

from pydantic import Field

from data.schema import Record
from data.store import Answered
from evaluation.contest import Contest, Gap, Outcome
from evaluation.duel import Part, gather
from evaluation.guardrails import Guardrail, Measured, VerdictRules, guard
from evaluation.judgement import Believed
from evaluation.live import Estimate, check_live, estimate
from evaluation.live_classes import Promise


class TargetVerdict(Record):
    """One target of an experiment."""

    outcome: Outcome
    accuracy: Gap
    champion: Estimate = Field(description="accuracy of the champion, at the share of alpha")
    automation: Gap
    unknown: int = Field(description="of a shadow: pairs of which nobody knows whether it is right")
    missing: int | None = Field(
        description="audited answers until it is decided, if they go on like those seen; null if "
        "those seen cannot tell"
    )
    why: str


class Verdict(Record):
    """A challenger or shadow against the champion."""

    champion: str
    rival: str
    part: Part
    outcome: Outcome
    reasons: tuple[str, ...] = Field(description="in words, what decides first")
    missing: int | None = Field(
        description="audited answers until it is decided; null if unknown, 0 if it is"
    )
    champion_answers: int = Field(description="told since the experiment began")
    rival_answers: int
    targets: dict[str, TargetVerdict]
    guardrails: tuple[Guardrail, ...]


def judge_duel(
    rows: Iterable[Answered],
    champion: str,
    rival: str,
    part: Part = "challenger",
    rules: VerdictRules | None = None,
    *,
    promises: Mapping[str, Mapping[str, Promise]] | None = None,
    measured: Mapping[str, Measured] | None = None,
    believed: Believed | None = None,
) -> Verdict:
    """The verdict on a challenger or shadow, from all answers since the experiment began.

    Parameters
    ----------
    rows : answers of both bundles, of shadows too, with what was said of them; read once. They
        begin when the later of the two began, and never later again
    promises : bundle -> target -> what its certificate promises
    measured : version -> latency and errors, where they were measured
    believed : feedback that may count; all where left out
    """
    asked = rules or VerdictRules()
    known = measured or {}
    gathered = gather(rows, champion, rival, part, believed)
    alpha = asked.alpha / max(1, len(gathered.duels))
    automation: dict[str, Gap] = {}
    targets: dict[str, TargetVerdict] = {}
    for target, duel in sorted(gathered.duels.items()):
        automation[target] = duel.automation(part, alpha).gap
        contest = duel.accuracy(part, alpha)
        own = [one for one in duel.judged if not one.second]
        targets[target] = _judge_target(
            contest,
            estimate([float(one.right) for one in own], [one.propensity for one in own], alpha),
            automation[target],
            duel.unknown,
            asked,
            alpha,
        )
    live = check_live(gathered.audited, promises, alpha=asked.alpha, believed=believed).bundles
    guardrails = guard(
        asked,
        automation,
        (live.get(champion), live.get(rival)),
        (known.get(champion, Measured()), known.get(rival, Measured())),
    )
    outcome, reasons = _conclude(targets, guardrails, asked.margin)
    return Verdict(
        champion=champion,
        rival=rival,
        part=part,
        outcome=outcome,
        reasons=reasons,
        missing=_missing(outcome, targets),
        champion_answers=gathered.told,
        rival_answers=gathered.rivals,
        targets=targets,
        guardrails=guardrails,
    )


def _judge_target(
    contest: Contest,
    champion: Estimate,
    automation: Gap,
    unknown: int,
    rules: VerdictRules,
    alpha: float,
) -> TargetVerdict:
    gap = contest.gap
    fewest = min(gap.champion_rows, gap.challenger_rows)
    short = max(0, rules.least_answers - fewest)
    outcome: Outcome = "too early" if short else contest.decide(rules.margin)
    missing = contest.missing(rules.margin, alpha) if outcome == "too early" else 0
    if short:
        # More answers reach both arms; the one with fewer sets the pace.
        pace = contest.n / fewest if fewest else None
        least = None if pace is None else round(short * pace)
        missing = None if missing is None or least is None else max(least, missing)
    return TargetVerdict(
        outcome=outcome,
        accuracy=gap,
        champion=champion,
        automation=automation,
        unknown=unknown,
        missing=missing,
        why=_tell(gap, rules.least_answers if short else None, missing),
    )


def _tell(gap: Gap, least: int | None, missing: int | None) -> str:
    rows = f"{gap.champion_rows:,} and {gap.challenger_rows:,} audited answers were judged"
    if least is not None:
        return f"{rows}, at least {least:,} of each are asked for"
    value = "unknown" if gap.value is None else f"{gap.value:+.3f}"
    told = f"accuracy {value} ({gap.low:+.3f} to {gap.high:+.3f}); {rows}"
    if missing is None:
        return f"{told}; those seen cannot tell how many more it takes"
    return told if missing == 0 else f"{told}; about {missing:,} more are needed"


def _conclude(
    targets: Mapping[str, TargetVerdict], guardrails: Iterable[Guardrail], margin: float
) -> tuple[Outcome, tuple[str, ...]]:
    told = {name: f"{name}: {one.why}" for name, one in targets.items()}
    rails = list(guardrails)
    if broken := [f"{one.name} is broken: {one.why}" for one in rails if one.state == "broken"]:
        return "worse", (*broken, *told.values())
    outcomes = {name: one.outcome for name, one in targets.items()}
    if worse := [told[name] for name, one in outcomes.items() if one == "worse"]:
        return "worse", tuple(worse)
    better = [name for name, one in outcomes.items() if one == "better"]
    doubtful = [
        f"{name} may be worse by more than {margin:g}: {targets[name].why}"
        for name in targets
        if name not in better and targets[name].accuracy.low <= -margin
    ]
    opened = [f"{one.name} is not clear yet: {one.why}" for one in rails if one.state == "open"]
    if better and not doubtful and not opened:
        return "better", tuple(
            told[name] for name in sorted(told, key=lambda name: name not in better)
        )
    if outcomes and all(one == "no difference worth the name" for one in outcomes.values()):
        return "no difference worth the name", tuple(told.values())
    if better:
        return "too early", (*(told[name] for name in better), *doubtful, *opened)
    return "too early", tuple(told.values()) or ("nothing was answered yet",)


def _missing(outcome: Outcome, targets: Mapping[str, TargetVerdict]) -> int | None:
    if outcome != "too early":
        return 0
    each = [one.missing for one in targets.values()]
    known = [one for one in each if one is not None]
    return max(known) if known and len(known) == len(each) else None
