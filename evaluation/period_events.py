"""The audit log of a period: drift, experiments, decisions, classes that people route."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import AwareDatetime, Field, JsonValue

from data.schema import Record
from data.store import Event, Store
from evaluation.checked import DRIFT, LIVE, DriftTold, read_told
from evaluation.drift_report import Action

MOST = 10_000
"""Lines of one kind that are read, the newest first; more than a year of one an hour."""

HAPPENINGS = {
    "promotion": "A new model answers",
    "rollback": "The former model answers again",
    "certificate.withheld": "A class goes to people",
    "certificate.restored": "A class is routed again",
    "experiment.started": "An experiment began",
    "experiment.refused": "An experiment was refused",
    "experiment.stopped": "An experiment was stopped",
    "experiment.verdict": "An experiment has a verdict",
    "gate.decided": "The gate examined a model",
    "gate.overridden": "The gate was overridden",
    "retrain.finished": "A retrain ended",
    "feedback.quarantined": "Feedback was held back",
    "feedback.released": "Feedback was released",
    "feedback.revoked": "Feedback was revoked",
    "alert.drift": "Tickets have changed",
    "alert.certificate": "A promise was broken",
}
"""Kinds of lines that a period is told by -> what they are called."""


class Happening(Record):
    """A line of the audit log, in words."""

    at: AwareDatetime
    action: str
    told: str
    subject: str
    actor: str
    reasons: tuple[str, ...]


class DriftSpell(Record):
    """Looks at drift in a row that said the same."""

    since: AwareDatetime
    until: AwareDatetime
    looks: int
    action: Action
    reasons: tuple[str, ...] = Field(description="of the last of them")


class Trial(Record):
    """An experiment that ran in the period."""

    version: str
    part: str
    started: AwareDatetime | None
    ended: AwareDatetime | None = Field(description="null: it runs at the end of the period")
    end: str | None
    outcome: str | None = Field(description="of the last verdict")
    reasons: tuple[str, ...] = ()


class WithheldNow(Record):
    """A class that people route at the end of the period."""

    bundle: str
    target: str
    label: str
    since: AwareDatetime
    why: str


class PeriodEvents(Record):
    """The audit log of a period."""

    happenings: tuple[Happening, ...] = Field(description="the oldest first")
    drift: tuple[DriftSpell, ...]
    trials: tuple[Trial, ...]
    withheld: tuple[WithheldNow, ...]
    waiting: tuple[str, ...] = Field(description="batches of feedback held back at the end")
    watched: int = Field(description="how often the live figures were checked")
    cut: tuple[str, ...] = Field(description="kinds with more lines than are read")


def read_events(store: Store, since: datetime, until: datetime) -> PeriodEvents:
    """What happened from a moment to before another; of states, what holds at its end."""
    lines = {action: store.events(MOST, action) for action in (*HAPPENINGS, DRIFT, LIVE)}
    before = {
        action: [line for line in reversed(found) if line.at < until]
        for action, found in lines.items()
    }
    within = {
        action: [line for line in found if line.at >= since] for action, found in before.items()
    }
    told = [line for action in HAPPENINGS for line in within[action]]
    return PeriodEvents(
        happenings=tuple(map(tell_event, sorted(told, key=lambda line: line.at))),
        drift=tuple(find_spells(within[DRIFT])),
        trials=tuple(find_trials(before, since)),
        withheld=find_withheld(before),
        waiting=find_waiting(before),
        watched=len(within[LIVE]),
        cut=tuple(
            action
            for action, found in lines.items()
            if len(found) == MOST and found[-1].at >= since
        ),
    )


def tell_event(event: Event) -> Happening:
    """A line in words."""
    told = HAPPENINGS[event.action]
    detail = event.detail
    match event.action, detail:
        case "gate.decided", {"passed": bool(passed)}:
            told = "The gate let a model pass" if passed else "The gate refused a model"
        case "retrain.finished", {"outcome": str(outcome)}:
            told = f"A retrain ended: {outcome}"
        case "experiment.verdict", {"outcome": str(outcome)}:
            told = f"Verdict on an experiment: {outcome}"
        case (("certificate.withheld" | "certificate.restored"), {"label": str(label)}):
            told = f"{told}: {label}"
    return Happening(
        at=event.at,
        action=event.action,
        told=told,
        subject=event.subject,
        actor=event.actor,
        reasons=read_reasons(detail),
    )


def read_reasons(detail: dict[str, JsonValue]) -> tuple[str, ...]:
    """The reasons of an event; none where it tells none."""
    reasons = detail.get("reasons")
    return tuple(map(str, reasons)) if isinstance(reasons, list) else ()


def find_spells(looks: Iterable[Event]) -> Iterator[DriftSpell]:
    """Looks at drift, the oldest first, those in a row that said the same as one."""
    spell: DriftSpell | None = None
    for event in looks:
        told = read_told(event, DriftTold)
        if told is None or not told.enough:
            continue
        again = spell is not None and spell.action == told.action
        if spell is not None and not again:
            yield spell
        spell = DriftSpell(
            since=spell.since if spell is not None and again else event.at,
            until=event.at,
            looks=spell.looks + 1 if spell is not None and again else 1,
            action=told.action,
            reasons=told.reasons,
        )
    if spell is not None:
        yield spell


def find_trials(lines: dict[str, list[Event]], since: datetime) -> Iterator[Trial]:
    """Experiments that ran at any moment since then, by their begin."""
    ends = sorted(
        [*lines["experiment.stopped"], *lines["promotion"], *lines["rollback"]],
        key=lambda line: line.at,
    )
    begun: dict[str, Event] = {}
    for event in lines["experiment.started"]:
        earlier = begun.get(event.subject)
        if earlier is None or _end_of(earlier, ends, event.at) is not None:
            begun[event.subject] = event
    for version, start in sorted(begun.items(), key=lambda pair: pair[1].at):
        end = _end_of(start, ends)
        if end is not None and end.at < since:
            continue
        verdicts = [
            event
            for event in lines["experiment.verdict"]
            if event.subject == version and event.at >= start.at
        ]
        last = verdicts[-1] if verdicts else None
        yield Trial(
            version=version,
            part=str(start.detail.get("part") or "challenger"),
            started=start.at,
            ended=end.at if end else None,
            end=tell_event(end).told if end else None,
            outcome=str(last.detail.get("outcome")) if last else None,
            reasons=read_reasons(last.detail) if last else (),
        )


def find_withheld(lines: dict[str, list[Event]]) -> tuple[WithheldNow, ...]:
    """Classes that were withheld and not restored since."""
    both = [*lines["certificate.withheld"], *lines["certificate.restored"]]
    found: dict[tuple[str, str, str], WithheldNow] = {}
    for event in sorted(both, key=lambda line: line.at):
        match event.detail:
            case {"target": str(target), "label": str(label)}:
                key = (event.subject, target, label)
                found.pop(key, None)
                if event.action == "certificate.withheld":
                    why = " ".join(read_reasons(event.detail))
                    found[key] = WithheldNow(
                        bundle=event.subject, target=target, label=label, since=event.at, why=why
                    )
    return tuple(found.values())


def find_waiting(lines: dict[str, list[Event]]) -> tuple[str, ...]:
    """Batches held back that nobody released or revoked since."""
    kinds = ("feedback.quarantined", "feedback.released", "feedback.revoked")
    waiting: dict[str, None] = {}
    for event in sorted((line for kind in kinds for line in lines[kind]), key=lambda e: e.at):
        waiting.pop(event.subject, None)
        if event.action == kinds[0]:
            waiting[event.subject] = None
    return tuple(waiting)


def _end_of(start: Event, ends: list[Event], before: datetime | None = None) -> Event | None:
    """What ended an experiment: it was stopped, or took the champion's place."""
    for event in ends:
        late = before is not None and event.at >= before
        if event.subject == start.subject and event.at >= start.at and not late:
            return event
    return None
