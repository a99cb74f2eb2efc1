"""The store in SQLite or PostgreSQL: `data.store` says what it does, this how.

Each call is one transaction on a connection of its own, so a store may be shared by threads, and a
database by processes. A process that forks opens its store after that.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Engine, select

from data.cursor import read_cursor, write_cursor
from data.errors import DataError
from data.outbox_rows import leave_event, leave_predictions
from data.sql_engine import open_engine, reading, shrink, writing
from data.sql_erasure import drop_rows, erase_rows, holds_erasure, keep_salt, split_erased
from data.sql_feedback import insert_feedback
from data.sql_migrations import require_newest
from data.sql_predictions import delete_pending, insert_predictions
from data.sql_queries import (
    CHUNK,
    find_open,
    find_span,
    match,
    read_by_id,
    read_newest,
    read_oldest,
)
from data.sql_rows import insert_event, insert_new, lock_predictions
from data.sql_tables import bundles, events, facts, to_microseconds, to_moment
from data.store import (
    MAX_PAGE,
    Answered,
    Erased,
    Erasure,
    Event,
    Feedback,
    Page,
    Query,
    StoredFeedback,
    StoredPrediction,
)

STORE_URL = "sqlite:///.cache/store.db"
"""Where the store is unless TICKETS_STORE says otherwise."""


def open_sql_store(url: str) -> "SqlStore":
    """Open the store at a URL, `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    A SQLite file is made where there is none, and migrated where it is older.

    Raises
    ------
    StoreError
        If it cannot be reached, was made by newer code, or is PostgreSQL's and not yet migrated.
    """
    engine = open_engine(url)
    try:
        require_newest(engine)
        with writing(engine) as connection:
            keep_salt(connection)
    except BaseException:
        engine.dispose()
        raise
    return SqlStore(engine)


class SqlStore:
    """A store whose tables are there; `open_sql_store` sees to that."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def know_bundle(self, version: str, targets: Mapping[str, Sequence[str]]) -> None:
        """Remember which labels a bundle may answer."""
        labels = json.dumps({target: list(known) for target, known in targets.items()})
        with writing(self.engine) as connection:
            insert_new(connection, bundles, [{"version": version, "targets": labels}], "version")

    def add_predictions(self, rows: Sequence[StoredPrediction]) -> None:
        """Keep predictions, all or none, save those that were erased since."""
        with writing(self.engine) as connection:
            kept, erased = split_erased(connection, rows)
            lock_predictions(connection, (row.id for row in rows))
            leave_predictions(connection, insert_predictions(connection, kept))
            delete_pending(connection, [row.id for row in erased])

    def add_feedback(self, rows: Sequence[Feedback]) -> tuple[StoredFeedback, ...]:
        """Keep feedback, all or none, and tell what became of each."""
        with writing(self.engine) as connection:
            lock_predictions(connection, (row.prediction_id for row in rows))
            return insert_feedback(connection, rows)

    def find(self, prediction_id: str) -> Answered | None:
        """One prediction with its feedback."""
        with reading(self.engine) as connection:
            return next(iter(read_by_id(connection, [prediction_id])), None)

    def search(self, query: Query, limit: int = 50, cursor: str | None = None) -> Page:
        """A page of what matches, the newest first."""
        if not 1 <= limit <= MAX_PAGE:
            raise DataError(f"a page holds 1 to {MAX_PAGE} predictions, not {limit}")
        before = None if cursor is None else read_cursor(query, cursor)
        matching = match(query, self.engine.dialect.name)
        with reading(self.engine) as connection:
            found = read_newest(connection, matching, before, limit + 1)
        page = found[:limit]
        more = write_cursor(query, page[-1].stored.id) if len(found) > limit else None
        return Page(found=tuple(page), next=more)

    def stream(self, query: Query) -> Iterator[Answered]:
        """All that matches, the oldest first; no transaction is open between two chunks."""
        span = None
        if query.since is not None or query.until is not None:
            with reading(self.engine) as connection:
                span = find_span(connection, query)
            if span is None:
                return
        matching = match(query, self.engine.dialect.name, span)
        after: str | None = None
        while True:
            with reading(self.engine) as connection:
                found = read_oldest(connection, matching, after, CHUNK)
            yield from found
            if len(found) < CHUNK:
                return
            after = found[-1].stored.id

    def to_review(self, targets: Sequence[str] | None = None, limit: int = 50) -> list[Answered]:
        """What a person should look at first."""
        with reading(self.engine) as connection:
            return read_by_id(connection, find_open(connection, targets, limit))

    def erase(self, erasure: Erasure, actor: str, at: datetime) -> Erased:
        """Remove every row of a ticket or customer; in SQLite the bytes of them too."""
        kind = "ticket" if erasure.ticket_id is not None else "customer"
        with writing(self.engine, alone=True) as connection:
            digest, gone = erase_rows(connection, erasure, to_microseconds(at))
            detail = {"of": kind, **gone.model_dump()}
            event = Event(at=at, actor=actor, action="erase", subject=digest, detail=detail)
            insert_event(connection, event)
        shrink(self.engine)
        return gone

    def is_erased(self, *, ticket_id: str | None = None, customer: str | None = None) -> bool:
        """Whether rows of this ticket or customer were ever asked to be erased."""
        if ticket_id is None and customer is None:
            return False
        with reading(self.engine) as connection:
            return holds_erasure(connection, ticket_id, customer)

    def drop_before(self, moment: datetime, actor: str, at: datetime) -> Erased:
        """Remove what is older than the retention allows."""
        with writing(self.engine, alone=True) as connection:
            gone = drop_rows(connection, to_microseconds(moment))
            subject = moment.isoformat()
            event = Event(
                at=at, actor=actor, action="retain", subject=subject, detail=gone.model_dump()
            )
            insert_event(connection, event)
        shrink(self.engine)
        return gone

    def log(self, event: Event) -> None:
        """Append a line to the audit log, and its event for whoever wants it."""
        with writing(self.engine) as connection:
            insert_event(connection, event)
            leave_event(connection, event)

    def events(self, limit: int = 100, action: str | None = None) -> list[Event]:
        """Lines of the audit log, the newest first."""
        statement = select(events).order_by(events.c.at.desc(), events.c.number.desc()).limit(limit)
        if action is not None:
            statement = statement.where(events.c.action == action)
        with reading(self.engine) as connection:
            return [
                Event(
                    at=to_moment(row.at), actor=row.actor, action=row.action,
                    subject=row.subject, detail=json.loads(row.detail),
                )
                for row in connection.execute(statement)
            ]  # fmt: skip

    def ping(self) -> None:
        """Write a row and wait until it is on disk."""
        with writing(self.engine) as connection:
            now = {"name": "ping", "value": str(time.time())}
            if not insert_new(connection, facts, [now], "name"):
                statement = facts.update().where(facts.c.name == "ping")
                connection.execute(statement.values(value=now["value"]))

    def close(self) -> None:
        """Let go of connections."""
        self.engine.dispose()
