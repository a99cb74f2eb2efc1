"""Which experiments run, and what can be said of each now."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import AwareDatetime, Field

from data.errors import BundleError
from data.schema import Record
from data.store import Answered, Event, Query, Store
from evaluation.duel import Part
from evaluation.guardrails import Measured, VerdictRules
from evaluation.judgement import Believed
from evaluation.live_classes import Promise, promises_of
from evaluation.verdicts import Verdict, judge_duel
from models.deployment import Arm, Challenger, Deployment, Shadow
from models.manifest import read_manifest
from models.publishing import BundleStore

BUNDLE_CACHE = Path(".cache/bundles")
"""Where bundles of a remote store are kept; as in serving."""

EVENTS = 1_000
"""Lines of one kind of the audit log that are looked through."""


class Running(NamedTuple):
    """A challenger or shadow, and since when its answers count."""

    version: str
    part: Part
    share: float
    since: datetime


class Experiment(Record):
    """A running experiment with its verdict."""

    version: str
    part: Part
    share: float = Field(description="of tickets answered, or shown to a shadow")
    since: AwareDatetime = Field(description="from when on answers of both arms count")
    verdict: Verdict


class Status(Record):
    """All running experiments."""

    at: AwareDatetime
    champion: str | None
    experiments: tuple[Experiment, ...]

    def find(self, version: str) -> Experiment | None:
        """The experiment of a version."""
        return next((one for one in self.experiments if one.version == version), None)


def find_running(deployment: Deployment | None, store: Store) -> list[Running]:
    """The challengers and shadows of now.

    Answers count since both arms were there: a change of a challenger's share is no new beginning,
    because every answer keeps the probability it was drawn with, but a new champion is.
    """
    if deployment is None or deployment.champion is None:
        return []
    started = newest_by_subject(store, "experiment.started")
    champion = deployment.champion.since or deployment.published_at
    running = []
    arms: tuple[Challenger | Shadow, ...] = (*deployment.challengers, *deployment.shadows)
    for one in arms:
        since = _evidence_since(one, started.get(one.version)) or deployment.published_at
        running.append(Running(one.version, _part(one), share_of(one), max(since, champion)))
    return running


def newest_by_subject(store: Store, action: str) -> dict[str, Event]:
    """Subject -> its newest line of this kind in the audit log."""
    found: dict[str, Event] = {}
    for event in store.events(EVENTS, action):
        found.setdefault(event.subject, event)
    return found


def find_status(
    deployment: Deployment | None,
    store: Store,
    bundles: BundleStore,
    rules: VerdictRules,
    moment: datetime,
    measured: Mapping[str, Measured] | None = None,
    believed: Believed | None = None,
) -> Status:
    """Every running experiment with the verdict on it as of now.

    Parameters
    ----------
    measured : version -> latency and errors, where they were measured
    believed : feedback that may count; all where left out
    """
    champion = deployment.champion.version if deployment and deployment.champion else None
    experiments = []
    for one in find_running(deployment, store):
        verdict = judge_duel(
            rows_of(store, (str(champion), one.version), one.since),
            str(champion),
            one.version,
            one.part,
            rules,
            promises={name: find_promises(bundles, name) for name in (str(champion), one.version)},
            measured=measured,
            believed=believed,
        )
        experiments.append(Experiment(**one._asdict(), verdict=verdict))
    return Status(at=moment, champion=champion, experiments=tuple(experiments))


def rows_of(store: Store, versions: tuple[str, ...], since: datetime) -> Iterator[Answered]:
    """Everything that these bundles answered since a moment."""
    for version in versions:
        yield from store.stream(Query(bundle=version, since=since))


def find_promises(bundles: BundleStore, version: str) -> dict[str, Promise]:
    """Target -> what the certificate of a bundle promises; empty where the bundle is not there."""
    try:
        folder = bundles.find(version, BUNDLE_CACHE)
        return {} if folder is None else promises_of(read_manifest(folder).certificate)
    except BundleError:
        return {}


def tell(status: Status) -> str:
    """The status as a table, and the reasons below it."""
    if status.champion is None:
        return "nobody is champion: there is nothing to compare with\n"
    if not status.experiments:
        return f"champion {status.champion}; no experiment is running\n"
    head = ("VERSION", "PART", "SHARE", "SINCE", "ANSWERS", "VERDICT", "MISSING")
    rows = [head, *(_row(one) for one in status.experiments)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [f"champion {status.champion}", ""]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    for one in status.experiments:
        lines += ["", f"{one.version}: {one.verdict.outcome}"]
        lines += [f"  {reason}" for reason in one.verdict.reasons]
        lines += [
            f"  {rail.name}: {rail.state} ({rail.why})"
            for rail in one.verdict.guardrails
            if not any(rail.why in reason for reason in one.verdict.reasons)
        ]
    return "\n".join(lines) + "\n"


def _row(one: Experiment) -> tuple[str, ...]:
    missing = "unknown" if one.verdict.missing is None else f"{one.verdict.missing:,}"
    return (
        one.version,
        one.part,
        f"{one.share:g}",
        f"{one.since:%Y-%m-%d %H:%M}",
        f"{one.verdict.rival_answers:,}",
        one.verdict.outcome,
        missing,
    )


def _evidence_since(arm: Arm, started: Event | None) -> datetime | None:
    told = started.detail.get("evidence_since") if started else None
    if isinstance(told, str) and arm.since and started and started.at >= arm.since:
        return datetime.fromisoformat(told)
    return arm.since


def _part(arm: Challenger | Shadow) -> Part:
    return "shadow" if isinstance(arm, Shadow) else "challenger"


def share_of(arm: Challenger | Shadow) -> float:
    """Share of the tickets it answers or is shown."""
    return arm.fraction if isinstance(arm, Shadow) else arm.share
