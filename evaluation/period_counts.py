"""What happened to the tickets of a period, counted while they are read one by one.

Nothing is kept of a ticket but counts, so memory does not grow with the period. Of the audited
answers the counts of equal ones are kept, which is all that their intervals ask for.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from data.schema import TargetPrediction
from data.store import Answered
from evaluation.judgement import Believed, judge
from evaluation.live import Estimate, estimate, not_evidence

Judged = Counter[tuple[bool, float]]
"""Whether it was right and the probability of being drawn -> how many such answers."""


@dataclass
class PartCounts:
    """Tickets of a day, or of a week."""

    tickets: int = 0
    automatic: int = 0
    judged: Judged = field(default_factory=Counter)
    """Automatic answers of the audit sample."""


@dataclass
class TargetCounts:
    """What was answered for one target, and what people said of it."""

    tickets: int = 0
    automatic: int = 0
    looked_at: int = 0
    """Automatic answers that a person spoke of: they saved nobody's time."""
    audited: int = 0
    answered: int = 0
    """Audited, and people said whether it was right."""
    all_judged: Judged = field(default_factory=Counter)
    automatic_judged: Judged = field(default_factory=Counter)
    several: int = 0
    """Answers that more than one author spoke of."""
    agreed: int = 0
    """Of these, those of which all said the same."""
    days: dict[date, PartCounts] = field(default_factory=lambda: defaultdict(PartCounts))
    weeks: dict[date, PartCounts] = field(default_factory=lambda: defaultdict(PartCounts))


@dataclass
class PeriodCounts:
    """Everything counted in a period."""

    tickets: int = 0
    """Answers that were told; a shadow's are not."""
    bundles: Counter[str] = field(default_factory=Counter)
    champion: str | None = None
    """The one that answered last as champion."""
    targets: dict[str, TargetCounts] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    proposals: Counter[str] = field(default_factory=Counter)
    """`target: label` that people named and no bundle knows -> how often."""
    authors: set[str | None] = field(default_factory=set)
    left_out: int = 0
    """What people said and may not count; nothing else here knows of it."""


def count_period(rows: Iterable[Answered], believed: Believed | None = None) -> PeriodCounts:
    """Count answers, read once, the oldest first.

    Parameters
    ----------
    believed : feedback that may count; all where left out
    """
    counts = PeriodCounts()
    for answered in rows:
        stored = answered.stored
        if stored.shadow:
            continue
        row = _without_doubted(answered, believed)
        counts.left_out += len(answered.feedback) - len(row.feedback)
        counts.tickets += 1
        counts.bundles[stored.prediction.bundle] += 1
        if stored.arm == "champion":
            counts.champion = stored.prediction.bundle
        for said in row.feedback:
            counts.verdicts[said.verdict] += 1
            counts.authors.add(said.author)
            if said.status == "proposal":
                counts.proposals[f"{said.target}: {said.label}"] += 1
        for name, answer in stored.prediction.targets.items():
            _count(counts.targets.setdefault(name, TargetCounts()), name, answer, row)
    return counts


def week_of(day: date) -> date:
    """The Monday of its week."""
    return day - timedelta(days=day.weekday())


def measure(judged: Judged) -> Estimate:
    """The share that is right, by inverse propensities, with an interval that always holds."""
    pairs = list(judged.elements())
    return estimate([float(right) for right, _ in pairs], [drawn for _, drawn in pairs])


def share(part: int, whole: int) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None


def _without_doubted(answered: Answered, believed: Believed | None) -> Answered:
    if believed is None:
        return answered
    return answered.model_copy(update={"feedback": tuple(filter(believed, answered.feedback))})


def _count(counts: TargetCounts, name: str, answer: TargetPrediction, row: Answered) -> None:
    stored = row.stored
    automatic = answer.decision == "auto"
    day = _day(stored.at)
    parts = (counts.days[day], counts.weeks[week_of(day)])
    counts.tickets += 1
    counts.automatic += automatic
    for part in parts:
        part.tickets += 1
        part.automatic += automatic
    judgement = judge(row, name)
    if judgement is not None:
        counts.looked_at += automatic
        if len({said.author for said in row.feedback if said.target == name}) > 1:
            counts.several += 1
            counts.agreed += judgement.agreed
    if not_evidence(row) is not None:
        return
    counts.audited += 1
    if judgement is None:
        return
    counts.answered += 1
    told = (judgement.right, stored.audit_propensity)
    counts.all_judged[told] += 1
    if automatic:
        counts.automatic_judged[told] += 1
        for part in parts:
            part.judged[told] += 1


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
