"""Rows in and out of a transaction that someone else has begun.

SQLite lets one writer in at a time. PostgreSQL lets many in, so those that speak of the same
prediction take the same locks before they look whether it is there, and rows are written in the
order of their keys, so that no two writers wait for each other.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from zlib import crc32

from sqlalchemy import Column, Connection, Table, select, text
from sqlalchemy.dialects import postgresql, sqlite

from data.sql_tables import bundles, events, to_microseconds
from data.store import Event, Feedback, FeedbackStatus

MOST_VALUES = 500
"""Values of one IN (...); SQLite and PostgreSQL take tens of thousands of parameters at most."""

_LOCKS = 64
"""Locks that stand for all predictions; more of them and one batch might exhaust the server's."""


def insert_new(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: str
) -> set[str]:
    """Insert those whose key is not there yet, and tell which those were."""
    if not rows:
        return set()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing().returning(table.c[key])
    return set(connection.scalars(statement, sorted(rows, key=lambda row: row[key])))


def lock_predictions(connection: Connection, ids: Iterable[str]) -> None:
    """Wait for every other writer that speaks of one of these predictions."""
    if connection.dialect.name == "postgresql":
        for number in sorted({crc32(name.encode()) % _LOCKS for name in ids}):
            connection.execute(text("SELECT pg_advisory_xact_lock(74612369, :n)"), {"n": number})


def select_in(
    connection: Connection,
    columns: Table | Sequence[Column[Any]],
    by: Column[Any],
    ids: Iterable[str],
) -> list[Any]:
    """The columns of the rows whose `by` is one of the ids."""
    wanted = columns.columns if isinstance(columns, Table) else columns
    return [
        row
        for part in chunks(sorted(ids))
        for row in connection.execute(select(*wanted).where(by.in_(part)))
    ]


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Values in lists short enough for one statement."""
    remaining = iter(values)
    while part := list(islice(remaining, MOST_VALUES)):
        yield part


def read_labels(
    connection: Connection, versions: Iterable[str]
) -> dict[str, dict[str, Sequence[str]]]:
    """What bundles may answer: version -> target -> labels; unknown bundles are left out."""
    found = select_in(connection, bundles, bundles.c.version, versions)
    return {row.version: json.loads(row.targets) for row in found}


def judge(row: Feedback, known: Sequence[str]) -> FeedbackStatus:
    """What becomes of feedback on a prediction that is stored."""
    return "accepted" if row.label is None or row.label in known else "proposal"


def insert_event(connection: Connection, event: Event) -> None:
    """Append a line to the audit log."""
    row = event.model_dump() | {
        "at": to_microseconds(event.at),
        "detail": json.dumps(event.detail),
    }
    connection.execute(events.insert(), row)
