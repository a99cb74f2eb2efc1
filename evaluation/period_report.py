"""A period in figures and words, from the store alone: what happened, what changed, what to do.

Accuracy is that of the audit sample; its intervals hold at every moment at once, each with its own
5 %, from the first moment of the period on. What people said later of its tickets counts as well,
so that a report made later knows more.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from pydantic import AwareDatetime, Field

from data.schema import Record
from data.store import Query, Store
from evaluation.judgement import Believed
from evaluation.live import Estimate
from evaluation.period_advice import advise, tell_changes
from evaluation.period_counts import (
    PartCounts,
    PeriodCounts,
    TargetCounts,
    count_period,
    measure,
    share,
)
from evaluation.period_events import PeriodEvents, read_events
from evaluation.period_facts import Part, Quality, TargetFacts

LONG_DAYS = 100
"""Longer periods are drawn by week, and accuracy by month of four weeks."""


class PeriodReport(Record):
    """Everything that is told of a period."""

    since: AwareDatetime
    until: AwareDatetime = Field(description="before this moment")
    made_at: AwareDatetime
    minutes_per_ticket: float
    promised: float | None = Field(description="accuracy of automatic answers; null: not known")
    tickets: int = Field(description="answers that were told to somebody")
    champion: str | None
    bundles: dict[str, int] = Field(description="version -> answers")
    target: str | None = Field(description="the one told first; null where nothing was answered")
    targets: dict[str, TargetFacts]
    before: dict[str, TargetFacts] = Field(description="of as long a time before")
    quality: Quality
    events: PeriodEvents
    changes: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def first(self) -> TargetFacts | None:
        """The target told first."""
        return self.targets[self.target] if self.target else None

    @property
    def unfinished(self) -> bool:
        """Whether the period goes on."""
        return self.made_at < self.until

    @property
    def hours_saved(self) -> float:
        """Hours of people; what they looked at all the same saved none."""
        first = self.first
        unseen = first.automatic - first.looked_at if first else 0
        return unseen * self.minutes_per_ticket / 60

    def to_json(self) -> str:
        """As it is written."""
        return self.model_dump_json(indent=1) + "\n"


def report_period(
    store: Store,
    since: datetime,
    until: datetime,
    made_at: datetime,
    *,
    minutes_per_ticket: float,
    target: str | None = None,
    promised: Mapping[str, float] | None = None,
    believed: Believed | None = None,
) -> PeriodReport:
    """The report of a period; the store is read row by row, in memory that does not grow with it.

    Parameters
    ----------
    target : told first; the first one answered where left out
    promised : target -> accuracy that automatic answers were promised to have
    believed : feedback that may count; all where left out. How much may not is told

    Raises
    ------
    ValueError
        If the period is empty, or nothing was answered for the target named.
    """
    if until <= since:
        raise ValueError(f"a period ends after it begins, not from {since} to {until}")
    earliest = since - (until - since)
    counts = count_period(store.stream(Query(since=since, until=until)), believed)
    earlier = count_period(store.stream(Query(since=earliest, until=since)), believed)
    if target is not None and counts.targets and target not in counts.targets:
        raise ValueError(f"{target!r} was not answered; answered: {', '.join(counts.targets)}")
    chosen = (target or next(iter(counts.targets))) if counts.targets else None
    targets = {
        name: make_facts(name, found, since, until) for name, found in counts.targets.items()
    }
    before = {
        name: make_facts(name, found, earliest, since) for name, found in earlier.targets.items()
    }
    events = _of_now(read_events(store, since, until), counts.champion)
    quality = make_quality(counts)
    first = targets[chosen] if chosen else None
    return PeriodReport(
        since=since,
        until=until,
        made_at=made_at,
        minutes_per_ticket=minutes_per_ticket,
        promised=(promised or {}).get(chosen) if chosen else None,
        tickets=counts.tickets,
        champion=counts.champion,
        bundles=dict(counts.bundles),
        target=chosen,
        targets=targets,
        before=before,
        quality=quality,
        events=events,
        changes=tell_changes(first, before.get(chosen) if chosen else None, events),
        advice=advise(first, quality, events),
    )


def make_facts(name: str, counts: TargetCounts, since: datetime, until: datetime) -> TargetFacts:
    """What is told of one target; a long period is told by longer parts."""
    if until - since > timedelta(days=LONG_DAYS):
        fine, coarse = counts.weeks, _by_four_weeks(counts.weeks)
    else:
        fine, coarse = counts.days, counts.weeks
    first = since.astimezone(UTC).date()
    return TargetFacts(
        name=name,
        tickets=counts.tickets,
        automatic=counts.automatic,
        automation=share(counts.automatic, counts.tickets),
        looked_at=counts.looked_at,
        audited=counts.audited,
        answered=counts.answered,
        right=measure(counts.all_judged),
        automatic_right=measure(counts.automatic_judged),
        several=counts.several,
        agreed=counts.agreed,
        fine=_parts(fine, first),
        coarse=_parts(coarse, first),
    )


def make_quality(counts: PeriodCounts) -> Quality:
    """What people said in a period, in numbers."""
    return Quality(
        said=sum(counts.verdicts.values()),
        verdicts=dict(counts.verdicts),
        authors=len(counts.authors),
        several=sum(found.several for found in counts.targets.values()),
        agreed=sum(found.agreed for found in counts.targets.values()),
        proposals=dict(counts.proposals.most_common(20)),
        left_out=counts.left_out,
    )


def _of_now(events: PeriodEvents, champion: str | None) -> PeriodEvents:
    """Without the classes of bundles that answer no more; what they lost went with them."""
    if champion is None:
        return events
    answering = {champion, *(one.version for one in events.trials if one.ended is None)}
    withheld = tuple(one for one in events.withheld if one.bundle in answering)
    return events.model_copy(update={"withheld": withheld})


def _parts(parts: Mapping[date, PartCounts], first: date) -> tuple[Part, ...]:
    return tuple(
        Part(
            begin=max(begin, first),
            tickets=part.tickets,
            automatic=part.automatic,
            right=_known(measure(part.judged)),
        )
        for begin, part in sorted(parts.items())
    )


def _known(found: Estimate) -> Estimate | None:
    return found if found.rows else None


def _by_four_weeks(weeks: Mapping[date, PartCounts]) -> dict[date, PartCounts]:
    """Weeks put together by four, counted from the first."""
    merged: dict[date, PartCounts] = {}
    first = min(weeks, default=date.min)
    for begin, week in weeks.items():
        start = begin - timedelta(days=(begin - first).days % 28)
        place = merged.setdefault(start, PartCounts())
        place.tickets += week.tickets
        place.automatic += week.automatic
        place.judged += week.judged
    return merged
