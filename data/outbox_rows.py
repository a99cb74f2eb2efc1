"""Events as they are put into the outbox, inside a transaction that someone else has begun.

Who wants which is a fact of the store itself, so that a command that knows nothing of webhooks
still leaves the events they are told of.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from data.outbox_events import Announcement, Kind, announce_event, announce_predictions, read_kinds
from data.sql_rows import insert_new
from data.sql_tables import facts, outbox, to_microseconds
from data.store import Event, StoredPrediction

WEBHOOKS = "webhooks"
"""Of facts: JSON, endpoint -> kinds of events it wants."""

WAITING, DEAD = "waiting", "dead"
"""States of a row: to be delivered, or given up until a person has it sent again."""

GONE = "no endpoint of this name"
"""Outcome of what waited for an endpoint that is configured no more."""


def read_wanted(connection: Connection) -> dict[str, tuple[Kind, ...]]:
    """Which endpoint wants which events."""
    found = connection.scalar(select(facts.c.value).where(facts.c.name == WEBHOOKS))
    wanted = {} if found is None else json.loads(found)
    return {endpoint: read_kinds(kinds) for endpoint, kinds in wanted.items()}


def write_wanted(connection: Connection, wanted: Mapping[str, Sequence[Kind]]) -> None:
    """Say who wants what from now on; what waits for others is set aside as dead."""
    value = json.dumps({endpoint: list(kinds) for endpoint, kinds in sorted(wanted.items())})
    row = {"name": WEBHOOKS, "value": value}
    if not insert_new(connection, facts, [row], "name"):
        connection.execute(update(facts).where(facts.c.name == WEBHOOKS).values(value=value))
    lost = (outbox.c.state == WAITING, outbox.c.endpoint.not_in(list(wanted)))
    connection.execute(update(outbox).where(*lost).values(state=DEAD, outcome=GONE))


def leave_predictions(connection: Connection, rows: Iterable[StoredPrediction]) -> None:
    """Leave the events of predictions that were just stored, for whoever wants them."""
    wanted = read_wanted(connection)
    if wanted:
        put(connection, announce_predictions(rows), wanted)


def leave_event(connection: Connection, event: Event) -> None:
    """Leave the event of a line of the audit log, for whoever wants it."""
    announcement = announce_event(event)
    if announcement is not None:
        put(connection, [announcement], read_wanted(connection))


def put(
    connection: Connection,
    announcements: Iterable[Announcement],
    wanted: Mapping[str, Sequence[Kind]],
) -> None:
    """Put events into the outbox of every endpoint that wants them; one that is there stays."""
    rows = [
        _to_row(endpoint, one)
        for one in announcements
        for endpoint, kinds in wanted.items()
        if one.kind in kinds
    ]
    insert_new(connection, outbox, rows, "id")


def _to_row(endpoint: str, one: Announcement) -> dict[str, Any]:
    at = to_microseconds(one.at)
    return {
        "endpoint": endpoint,
        "id": one.id,
        "kind": one.kind,
        "at": at,
        "prediction_id": one.prediction_id,
        "body": one.body,
        "state": WAITING,
        "attempts": 0,
        "next_at": at,
        "outcome": None,
    }
