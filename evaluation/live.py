"""How good the answers in production are, from the audit sample alone.

People correct what is wrong and rarely confirm what is right, so what they say unasked is no
evidence; only answers that the audit drew by hash count, each with its probability. All intervals
hold at every moment at once (`evaluation.sequences`), so that looking every hour is allowed. That
is so for rows from one start that stays: give all rows of a bundle, never a window that slides.

Audited tickets that nobody answered are counted and told. The figures speak of the answered ones;
`worst_case` shows what the others could make of the accuracy. Answers of one customer count as
drawn one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import AwareDatetime, Field

from data.schema import Record, TargetPrediction
from data.store import Answered
from evaluation.judgement import Believed, Judgement, judge
from evaluation.live_classes import LiveClass, Promise, check_classes
from evaluation.sequence_calibration import calibration_bounds, calibration_error
from evaluation.sequences import ALPHA, as_rows, mean_bounds, weighted_mean


class Estimate(Record):
    """A figure with its interval, which holds at every moment at once."""

    value: float | None = Field(description="null without rows")
    low: float
    high: float
    rows: int = Field(ge=0)


class LiveTarget(Record):
    """One target of one bundle, on its audited answers."""

    audited: int
    answered: int = Field(description="audited, and people said whether it was right")
    response: float | None = Field(description="answered / audited; null if none was audited")
    disagreed: int = Field(description="of the answered, those on which authors differed")
    accuracy: Estimate
    worst_case: Estimate = Field(
        description="accuracy if every unanswered one were wrong (low) or right (high)"
    )
    ece: Estimate = Field(description="calibration error; its value is biased upward")
    automation: Estimate = Field(description="share routed without a person, of the audited")
    automatic_accuracy: Estimate
    classes: tuple[LiveClass, ...] = Field(description="by label, those with automatic answers")


class LiveBundle(Record):
    """What the audit sample says of one bundle."""

    since: AwareDatetime = Field(description="moment of the first audited answer")
    until: AwareDatetime = Field(description="moment of the last one")
    targets: dict[str, LiveTarget]

    @property
    def lost(self) -> dict[str, dict[str, str]]:
        """Target -> label -> why, of the classes that lost their certificate."""
        found = {
            name: {one.label: one.why for one in target.classes if one.state == "lost"}
            for name, target in self.targets.items()
        }
        return {name: labels for name, labels in found.items() if labels}


class LiveReport(Record):
    """What the audit sample says of every bundle that was audited."""

    alpha: float = Field(description="probability that an interval ever misses the truth")
    bundles: dict[str, LiveBundle]
    left_out: dict[str, int] = Field(description="why -> rows that are no evidence")


@dataclass
class _Seen:
    """Audited answers of one target of one bundle."""

    audited: list[tuple[TargetPrediction, float]] = field(default_factory=list)
    judged: list[tuple[Judgement, TargetPrediction, float]] = field(default_factory=list)


def check_live(
    rows: Iterable[Answered],
    promises: Mapping[str, Mapping[str, Promise]] | None = None,
    *,
    alpha: float = ALPHA,
    believed: Believed | None = None,
) -> LiveReport:
    """Live figures and the state of each certificate, per bundle and target.

    Parameters
    ----------
    rows : answers with what was said of them, in any order, read once; what was not audited, was
        told to nobody or came from an arm that the caller named is left out and counted
    promises : bundle -> target -> what its certificate promises; 0.95 for the classes seen where
        it says nothing. Name them: the number of classes should not depend on the answers
    alpha : shared among the classes of one target; all other figures have it to themselves
    believed : feedback that may count; all where left out
    """
    seen: dict[str, dict[str, _Seen]] = defaultdict(lambda: defaultdict(_Seen))
    moments: dict[str, list[AwareDatetime]] = {}
    left_out: Counter[str] = Counter()
    for row in rows:
        stored = row.stored
        if why := not_evidence(row):
            left_out[why] += 1
            continue
        bundle = stored.prediction.bundle
        first, last = moments.setdefault(bundle, [stored.at, stored.at])
        moments[bundle] = [min(first, stored.at), max(last, stored.at)]
        for target, answer in stored.prediction.targets.items():
            place = seen[bundle][target]
            place.audited.append((answer, stored.audit_propensity))
            if judgement := judge(row, target, believed):
                place.judged.append((judgement, answer, stored.audit_propensity))
    known = promises or {}
    return LiveReport(
        alpha=alpha,
        bundles={
            bundle: LiveBundle(
                since=moments[bundle][0],
                until=moments[bundle][1],
                targets={
                    target: _measure(found, known.get(bundle, {}).get(target, Promise()), alpha)
                    for target, found in sorted(targets.items())
                },
            )
            for bundle, targets in sorted(seen.items())
        },
        left_out=dict(sorted(left_out.items())),
    )


def not_evidence(row: Answered) -> str | None:
    """Why an answer says nothing of the accuracy in production; None if it does."""
    stored = row.stored
    if stored.shadow:
        return "shadow"
    if getattr(stored, "explicit", False):
        return "arm named by the caller"
    if not stored.audit:
        return "not audited"
    return None if stored.audit_propensity > 0 else "without a probability"


def _measure(seen: _Seen, promise: Promise, alpha: float) -> LiveTarget:
    judged = sorted(seen.judged, key=lambda one: one[0].at)
    right = [float(judgement.right) for judgement, _, _ in judged]
    drawn = [propensity for _, _, propensity in judged]
    automatic = [one for one in judged if one[1].decision == "auto"]
    classes: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for judgement, answer, propensity in automatic:
        classes[answer.label].append((judgement.right, propensity))
    by_class = {label: as_rows(*zip(*pairs, strict=True)) for label, pairs in classes.items()}
    return LiveTarget(
        audited=len(seen.audited),
        answered=len(judged),
        response=len(judged) / len(seen.audited) if seen.audited else None,
        disagreed=sum(not judgement.agreed for judgement, _, _ in judged),
        accuracy=estimate(right, drawn, alpha),
        worst_case=_worst_case(right, drawn, [propensity for _, propensity in seen.audited], alpha),
        ece=_calibration(judged, alpha),
        automation=estimate(
            [float(answer.decision == "auto") for answer, _ in seen.audited],
            [propensity for _, propensity in seen.audited],
            alpha,
        ),
        automatic_accuracy=estimate(
            [float(judgement.right) for judgement, _, _ in automatic],
            [propensity for _, _, propensity in automatic],
            alpha,
        ),
        classes=check_classes(by_class, promise, alpha),
    )


def estimate(values: list[float], propensities: list[float], alpha: float = ALPHA) -> Estimate:
    """A mean by inverse propensities with its interval; values in [0, 1]."""
    rows = as_rows(values, propensities)
    low, high = mean_bounds(rows, alpha)
    value = weighted_mean(rows) if values else None
    return Estimate(value=value, low=low, high=high, rows=len(values))


def _worst_case(
    right: list[float], drawn: list[float], audited: list[float], alpha: float
) -> Estimate:
    # Of the unanswered only how many there are at each probability matters.
    silent = list((Counter(audited) - Counter(drawn)).elements())
    low = estimate([*right, *(0.0 for _ in silent)], [*drawn, *silent], alpha).low
    high = estimate([*right, *(1.0 for _ in silent)], [*drawn, *silent], alpha).high
    return Estimate(value=None, low=low, high=high, rows=len(audited))


def _calibration(judged: list[tuple[Judgement, TargetPrediction, float]], alpha: float) -> Estimate:
    right = [judgement.right for judgement, _, _ in judged]
    confidence = [answer.confidence for _, answer, _ in judged]
    drawn = [propensity for _, _, propensity in judged]
    low, high = calibration_bounds(right, confidence, drawn, alpha)
    value = calibration_error(right, confidence, drawn) if judged else None
    return Estimate(value=value, low=low, high=high, rows=len(judged))
