"""What the desk looks at when a month is over, all by the commands of the product."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

from data.errors import DataError
from data.sql import open_sql_store
from evaluation.drift_report import DriftReport
from evaluation.replay_records import Happened
from pipelines.replay_workspace import Workspace

QUIET = frozenset({"live.checked", "drift.checked"})
"""Lines of the audit log that every look writes."""

MOST_EVENTS = 1_000
AT_ONCE = 2
"""Commands side by side: they take seconds of one core each."""


class Looked(NamedTuple):
    """Drift of each arm, in the order asked for, and whether a certificate was lost."""

    drift: dict[str, DriftReport]
    alerted: bool


def look(
    space: Workspace, arms: Sequence[str], kept: str | None, since: datetime, until: datetime,
    name: str,
) -> Looked:  # fmt: skip
    """Look at the drift of a month in all arms, and at certificates and experiments in one.

    Parameters
    ----------
    kept : the arm that is watched, if any
    name : of the reports, beside those of other months

    Raises
    ------
    DataError
        If a look failed; the log of the workspace tells why.
    """
    window = ("--since", since.isoformat(), "--until", until.isoformat(), "--log", "--no-html")

    def drift(arm: str) -> DriftReport:
        place = space.arm_folder(arm) / "drift" / name.replace(" ", "-")
        ended = space.command(arm, "drift", *window, "--output", str(place))
        if ended.code not in {0, 3}:
            raise _failed(space, "drift", arm)
        facts = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
        return DriftReport.model_validate(facts)

    def watch(arm: str) -> bool:
        ended = space.command(arm, "monitor")
        if ended.code not in {0, 3}:
            raise _failed(space, "monitor", arm)
        if space.command(arm, "experiment", "status", "--auto").code:
            raise _failed(space, "experiment", arm)
        return ended.code == 3

    with ThreadPoolExecutor(AT_ONCE) as pool:
        watched = pool.submit(watch, kept) if kept else None
        found = dict(zip(arms, pool.map(drift, arms), strict=True))
        return Looked(found, bool(watched and watched.result()))


def read_events(space: Workspace, arm: str, month: str, since: datetime) -> list[Happened]:
    """What the audit log of an arm tells since a moment, the oldest first."""
    with closing(open_sql_store(space.store_url(arm))) as store:
        newest = store.events(MOST_EVENTS)
    return [
        Happened(
            month=month,
            action=event.action,
            subject=event.subject,
            reasons=tuple(str(why) for why in _reasons(event.detail.get("reasons"))),
        )
        for event in reversed(newest)
        if event.at >= since and event.action not in QUIET
    ]


def _reasons(told: object) -> Sequence[object]:
    return told if isinstance(told, list) else ()


def _failed(space: Workspace, command: str, arm: str) -> DataError:
    return DataError(f"{command} of {arm} failed: see {space.root / 'commands.log'}")
