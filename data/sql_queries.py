"""From a query to SQL, and from rows to what was answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, Row, Select, exists, func, select

from data.errors import StoreError
from data.sql_tables import feedback, predictions, targets, to_microseconds, to_moment
from data.store import Answered, Query, StoredFeedback, StoredPrediction

_SAME = ("language", "bundle", "ticket_id", "customer", "audit", "explicit", "beside")
"""Fields of a query that a column of their name must equal."""

CHUNK = 100
"""Predictions in memory at once while many are streamed; a ticket may be 50,000 characters."""


def fold(text: str) -> str:
    """Text as it is searched: without case, and U+FFFD for NUL, which PostgreSQL cannot hold."""
    return text.casefold().replace("\0", "\ufffd")


@dataclass(frozen=True)
class Matching:
    """The predictions that match, and the column they are ordered by: their id.

    `first` is the id before which none matches, where that is known.
    """

    statement: Select[Any]
    key: ColumnElement[str]
    first: str | None = None


@dataclass(frozen=True)
class Span:
    """The first and the last id that a query may mean; None where only its rows tell."""

    first: str | None
    last: str | None


def find_span(connection: Connection, query: Query) -> Span | None:
    """Between which ids the moments asked for lie; None where nothing is of them."""
    ids, moments = predictions.c.id, _make_moments(query, predictions.c.at)
    found = connection.execute(select(func.min(ids), func.max(ids)).where(*moments)).one()
    first, last = found
    if first is None:
        return None
    return Span(first if query.since is not None else None, last if query.until else None)


def match(query: Query, dialect: str, span: Span | None = None) -> Matching:
    """The predictions a query means.

    Parameters
    ----------
    span : what `find_span` found, for a query of moments of which all is read, chunk after chunk.
        Ids follow time, so that it is narrow; the chunks are walked through by id then, and the
        moments only filter. By their own index, all that matches would be sorted for every chunk.
    """
    at = predictions.c.at if span is None else predictions.c.at + 0  # which no index finds
    found = select(predictions.c.id, predictions.c.body)
    found = found.where(*_make_filters(query, dialect), *_make_moments(query, at))
    key: ColumnElement[str] = predictions.c.id
    answer = [
        targets.c[name] == value
        for name in ("target", "label", "decision")
        if (value := getattr(query, name)) is not None
    ]
    if query.target is not None and len(answer) > 1:
        # One row each, in the order of an index, so that a page ends where it is full.
        key = targets.c.prediction_id
        found = found.join(targets, key == predictions.c.id).where(*answer)
    elif answer:
        # Asked of one prediction after the other, in their order: a list would be made per page.
        found = found.where(exists().where(targets.c.prediction_id == predictions.c.id, *answer))
    if span is not None and span.last is not None:
        found = found.where(key <= span.last)
    return Matching(found, key, None if span is None else span.first)


def _make_filters(query: Query, dialect: str) -> list[ColumnElement[bool]]:
    columns = predictions.c
    wanted: list[ColumnElement[bool]] = [
        columns[name] == value for name in _SAME if (value := getattr(query, name)) is not None
    ]
    if query.arm is not None:
        wanted.append(columns.arm.in_(query.arm))
    if query.answered is not None:
        said = exists().where(feedback.c.prediction_id == columns.id)
        wanted.append(said if query.answered else ~said)
    if query.text is not None:
        # Not LIKE: there % and _ would want escaping, and SQLite ignores case of ASCII alone.
        find = func.strpos if dialect == "postgresql" else func.instr
        wanted.append(find(columns.folded, fold(query.text)) > 0)
    return wanted


def _make_moments(query: Query, at: ColumnElement[int]) -> list[ColumnElement[bool]]:
    wanted = []
    if query.since is not None:
        wanted.append(at >= to_microseconds(query.since))
    if query.until is not None:
        wanted.append(at < to_microseconds(query.until))
    return wanted


def read_newest(
    connection: Connection, matching: Matching, before: str | None, limit: int
) -> list[Answered]:
    """The newest that match, of those older than the id `before`."""
    statement, key = matching.statement, matching.key
    if before is not None:
        statement = statement.where(key < before)
    return _join(connection, connection.execute(statement.order_by(key.desc()).limit(limit)).all())


def read_oldest(
    connection: Connection, matching: Matching, after: str | None, limit: int
) -> list[Answered]:
    """The oldest that match, of those newer than the id `after`."""
    statement, key = matching.statement, matching.key
    # One lower bound: of two, SQLite may begin each chunk at the lower one.
    if after is not None:
        statement = statement.where(key > after)
    elif matching.first is not None:
        statement = statement.where(key >= matching.first)
    return _join(connection, connection.execute(statement.order_by(key).limit(limit)).all())


def read_by_id(connection: Connection, ids: Sequence[str]) -> list[Answered]:
    """The predictions with these ids, in that order; those that are not there are left out."""
    statement = select(predictions.c.id, predictions.c.body).where(predictions.c.id.in_(ids))
    found = {row.id: row for row in connection.execute(statement)}
    return _join(connection, [found[name] for name in ids if name in found])


def find_open(connection: Connection, wanted: Sequence[str] | None, limit: int) -> list[str]:
    """Ids of the predictions a person should look at, the highest cost first."""
    together = func.sum(targets.c.cost)
    statement = select(targets.c.prediction_id).where(targets.c.open)
    if wanted is not None:
        statement = statement.where(targets.c.target.in_(wanted))
    statement = statement.group_by(targets.c.prediction_id)
    statement = statement.order_by(together.desc(), targets.c.prediction_id).limit(limit)
    return list(connection.scalars(statement))


def to_feedback(row: Row[Any]) -> StoredFeedback:
    """A row of the table `feedback` as a record."""
    values = dict(row._mapping)
    return StoredFeedback.model_validate(values | {"at": to_moment(values["at"])})


def _join(connection: Connection, rows: Sequence[Any]) -> list[Answered]:
    """Predictions with what was said of each, the oldest first."""
    said = _read_feedback(connection, [row.id for row in rows])
    return [
        Answered(stored=_to_prediction(row.id, row.body), feedback=said.get(row.id, ()))
        for row in rows
    ]


def _to_prediction(name: str, body: str) -> StoredPrediction:
    try:
        return StoredPrediction.model_validate_json(body)
    except ValidationError:
        raise StoreError(f"the prediction {name} is not readable by this version") from None


def _read_feedback(
    connection: Connection, ids: Sequence[str]
) -> dict[str, tuple[StoredFeedback, ...]]:
    columns = feedback.c
    statement = select(feedback).where(columns.prediction_id.in_(ids))
    rows = connection.execute(statement.order_by(columns.prediction_id, columns.at, columns.key))
    return {
        name: tuple(map(to_feedback, group))
        for name, group in groupby(rows, key=lambda row: str(row.prediction_id))
    }
