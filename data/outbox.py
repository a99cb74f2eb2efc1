"""Events that wait to be delivered: taken, retried, given up, listed and sent again.

A row is put here in the transaction of the fact it tells of (`data.outbox_rows`) and removed when
its endpoint has taken it. Before each attempt its number is counted and the next one set, so that a
process that is killed while it delivers loses nothing, and the row tells that it was tried.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, bindparam, delete, func, or_, select, update

from data.errors import DataError
from data.outbox_events import Announcement, Kind
from data.outbox_records import LONGEST, Depth, Entry, Outcome, State
from data.outbox_rows import DEAD, WAITING, put, write_wanted
from data.sql_engine import is_postgres, open_engine, reading, writing
from data.sql_migrations import require_newest
from data.sql_tables import outbox, to_microseconds, to_moment

MOST_ENDPOINTS = 1_000
"""That one event may wait for; nobody has so many."""


_THIS = (outbox.c.endpoint == bindparam("of"), outbox.c.id == bindparam("this"))
_UPDATE = update(outbox).where(*_THIS)


def open_outbox(url: str) -> "Outbox":
    """The outbox of the store at a URL.

    Raises
    ------
    StoreError
        If it cannot be reached, or is of another version.
    """
    engine = open_engine(url)
    try:
        require_newest(engine)
    except BaseException:
        engine.dispose()
        raise
    return Outbox(engine)


class Outbox:
    """The outbox of a store whose tables are there; calls block, and every write is durable."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def subscribe(self, wanted: Mapping[str, Sequence[Kind]]) -> None:
        """Say which endpoint wants which events from now on.

        What waits for an endpoint that is not named is set aside as dead.
        """
        with writing(self.engine) as connection:
            write_wanted(connection, wanted)

    def add(self, endpoint: str, announcement: Announcement) -> None:
        """Put an event here for one endpoint, whatever it wants."""
        with writing(self.engine) as connection:
            put(connection, [announcement], {endpoint: [announcement.kind]})

    def take(
        self,
        endpoint: str,
        limit: int,
        now: datetime,
        put_off: Callable[[int], timedelta],
    ) -> list[Entry]:
        """What is due for an endpoint, the longest due first, as it is before this attempt.

        Each is counted as tried, and due again after a while, before this returns.

        Parameters
        ----------
        put_off : how long after the attempt of this number, from 1, the next may begin
        """
        moment = to_microseconds(now)
        due = or_(
            outbox.c.next_at <= moment,
            outbox.c.next_at > to_microseconds(now + 2 * LONGEST),
        )
        this = and_(outbox.c.endpoint == endpoint, outbox.c.state == WAITING, due)
        statement = select(outbox).where(this).order_by(outbox.c.next_at, outbox.c.id).limit(limit)
        if is_postgres(self.engine):
            statement = statement.with_for_update(skip_locked=True)
        with reading(self.engine) as connection:  # most often nothing is, and nobody is to wait
            if connection.scalar(select(outbox.c.id).where(this).limit(1)) is None:
                return []
        with writing(self.engine) as connection:
            taken = [_to_entry(row) for row in connection.execute(statement)]
            if taken:
                connection.execute(
                    _UPDATE.values(attempts=bindparam("tried"), next_at=bindparam("again")),
                    [
                        _key(one)
                        | {
                            "tried": one.attempts + 1,
                            "again": to_microseconds(now + min(put_off(one.attempts + 1), LONGEST)),
                        }
                        for one in taken
                    ],
                )
        return taken

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Note what became of attempts: what was taken goes, the rest is due again or given up."""
        with writing(self.engine) as connection:
            if gone := [_key(one.entry) for one in outcomes if one.delivered]:
                connection.execute(delete(outbox).where(*_THIS), gone)
            for one in outcomes:
                if one.delivered:
                    continue
                changes: dict[str, Any] = {"outcome": one.told[:200]}
                if one.again_at is None:
                    changes["state"] = DEAD
                else:
                    changes["next_at"] = to_microseconds(one.again_at)
                connection.execute(_UPDATE.values(**changes), _key(one.entry))

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Leave what was taken as it was before: nobody tried it."""
        with writing(self.engine) as connection:
            for entry in entries:
                changes = {"attempts": entry.attempts, "next_at": to_microseconds(entry.next_at)}
                connection.execute(_UPDATE.values(**changes), _key(entry))

    def entries(
        self, state: State | None = None, endpoint: str | None = None, limit: int = 100
    ) -> list[Entry]:
        """What is here, the oldest event first."""
        return self._read(_of(state, endpoint), limit)

    def find(self, message_id: str) -> list[Entry]:
        """One event, as it waits for each endpoint."""
        return self._read([outbox.c.id == message_id], MOST_ENDPOINTS)

    def _read(self, which: Sequence[ColumnElement[bool]], limit: int) -> list[Entry]:
        statement = select(outbox).where(*which)
        statement = statement.order_by(outbox.c.at, outbox.c.id, outbox.c.endpoint).limit(limit)
        with reading(self.engine) as connection:
            return [_to_entry(row) for row in connection.execute(statement)]

    def replay(
        self,
        ids: Collection[str] | None = None,
        endpoint: str | None = None,
        now: datetime | None = None,
    ) -> int:
        """Have dead events sent again, as if they had not been tried; how many that is.

        Parameters
        ----------
        ids : those to send; None: all that are dead

        Raises
        ------
        DataError
            If one of the ids is not dead.
        """
        which = _of("dead", endpoint)
        if ids is not None:
            which.append(outbox.c.id.in_(sorted(ids)))
        moment = to_microseconds(now or datetime.now(UTC))
        with writing(self.engine) as connection:
            if ids is not None:
                known = set(connection.scalars(select(outbox.c.id).where(*which)))
                if missing := sorted(set(ids) - known):
                    raise DataError(f"{missing[0]} is not among the dead letters")
            changes = {"state": WAITING, "attempts": 0, "next_at": moment}
            return connection.execute(update(outbox).where(*which).values(**changes)).rowcount

    def depths(self) -> dict[str, Depth]:
        """How much waits, by endpoint; those for whom nothing does are left out."""
        statement = select(
            outbox.c.endpoint, outbox.c.state, func.count().label("n"), func.min(outbox.c.at)
        ).group_by(outbox.c.endpoint, outbox.c.state)
        found: dict[str, dict[str, Any]] = {}
        with reading(self.engine) as connection:
            for endpoint, state, number, oldest in connection.execute(statement):
                depth = found.setdefault(endpoint, {"waiting": 0, "dead": 0, "oldest": None})
                depth[state] = number
                if state == WAITING:
                    depth["oldest"] = to_moment(oldest)
        return {endpoint: Depth.model_validate(depth) for endpoint, depth in found.items()}

    def close(self) -> None:
        """Let go of connections."""
        self.engine.dispose()


def _key(entry: Entry) -> dict[str, Any]:
    return {"of": entry.endpoint, "this": entry.id}


def _of(state: State | None, endpoint: str | None) -> list[ColumnElement[bool]]:
    which: list[ColumnElement[bool]] = []
    if state is not None:
        which.append(outbox.c.state == state)
    if endpoint is not None:
        which.append(outbox.c.endpoint == endpoint)
    return which


def _to_entry(row: Any) -> Entry:
    values = {name: value for name, value in row._mapping.items() if name != "prediction_id"}
    moments = {name: to_moment(values[name]) for name in ("at", "next_at")}
    return Entry.model_validate(values | moments)
