"""A store made of a backup, without what was erased since the backup was made.

A portable backup of an older version is put into tables of that version, which are then migrated.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Engine, MetaData, Table, func, inspect, select

from data.backup import Counts, count_rows
from data.backup_file import Contents, open_backup, read_rows, verify
from data.backup_sqlite import copy_in, is_sqlite_file
from data.erasures import ErasureList, apply_erasures, keep_erasures, read_erasures
from data.errors import StoreError
from data.sql_engine import is_postgres, open_engine, reading, where, writing
from data.sql_migrations import (
    migrate,
    migrate_within,
    newest_revision,
    require_newest,
)
from data.sql_rows import insert_event
from data.sql_tables import events, metadata
from data.store import Event

MAY_HOLD = frozenset({"facts", "erasures", "events"})
"""Tables that may have rows before: what is known to be erased, and who did what."""

_CHUNK = 500
_NAMES = [column.name for column in events.columns if column.name != "number"]


class Before(NamedTuple):
    """What a store without predictions held, and is to hold afterwards too."""

    erasures: ErasureList
    events: list[tuple[Any, ...]]


def restore(path: Path, engine: Engine) -> Counts:
    """Fill a store without predictions, or one that is not there yet: all of it or nothing.

    Erasures that it knows, or the backup does, are applied, and its audit log is kept.

    Raises
    ------
    StoreError
        If the backup is damaged, incomplete or made by newer code, or the store is not empty.
    """
    try:
        native = is_sqlite_file(path)
        if native and is_postgres(engine):
            raise StoreError(f"{path.name} is SQLite's; to PostgreSQL goes a .jsonl or .jsonl.gz")
        contents = None if native else verify(path)
        migrate(engine)
        if any(number for name, number in count_rows(engine).items() if name not in MAY_HOLD):
            raise StoreError(f"{where(engine.url)} is not empty: restore into a new one")
        if contents is None:
            _put_copy(path, engine)
        else:
            _put_rows(path, contents, engine)
    except (OSError, EOFError) as error:
        raise StoreError(f"{path} cannot be read: {type(error).__name__}") from None
    return count_rows(engine)


def _put_copy(path: Path, engine: Engine) -> None:
    """By way of a second copy, so that nobody ever sees what is to go."""
    with reading(engine) as connection:
        before = _read_before(connection)
    with _engine_beside(engine) as aside:
        copy_in(path, aside)
        require_newest(aside)
        with writing(aside, alone=True) as connection:
            _settle(connection, before, path.name)
        prepared = Path(str(aside.url.database))
        aside.dispose()
        copy_in(prepared, engine)


@contextmanager
def _engine_beside(engine: Engine) -> Iterator[Engine]:
    folder = Path(str(engine.url.database)).resolve().parent
    with TemporaryDirectory(prefix=".restore-", dir=folder) as made:
        url = engine.url.set(drivername="sqlite", database=str(Path(made) / "store.db"))
        aside = open_engine(url.render_as_string(hide_password=False))
        try:
            yield aside
        finally:
            aside.dispose()


def _put_rows(path: Path, contents: Contents, engine: Engine) -> None:
    what = where(engine.url)
    with writing(engine, alone=True) as connection:
        before = _read_before(connection)
        if contents.revision != newest_revision():
            migrate_within(connection, what, contents.revision)
        tables = _find_tables(connection)
        for name in MAY_HOLD & tables.keys():
            connection.execute(tables[name].delete())
        _fill(connection, path, tables)
        found = _count(connection, tables)
        if found != contents.counts:
            raise StoreError(f"{what} holds {found}, the backup {contents.counts}")
        migrate_within(connection, what)
        _settle(connection, before, path.name)


def _find_tables(connection: Connection) -> dict[str, Table]:
    """The tables as they are at this revision; the types are ours where we know the column."""
    found = inspect(connection)
    tables = {}
    for name in found.get_table_names():
        ours = {c.name: c.type for c in metadata.tables.get(name, Table(name, MetaData())).columns}
        keys = found.get_pk_constraint(name)["constrained_columns"]
        tables[name] = Table(
            name,
            MetaData(),
            *(
                Column(
                    column["name"],
                    ours.get(column["name"], column["type"]),
                    primary_key=column["name"] in keys,
                )
                for column in found.get_columns(name)
            ),
        )
    del tables["alembic_version"]
    return tables


def _fill(connection: Connection, path: Path, tables: dict[str, Table]) -> None:
    with open_backup(path) as file:
        for name, group in groupby(read_rows(file), key=lambda line: line[0]):
            columns = set(tables[name].columns.keys()) if name in tables else set()
            rows = (_require_known(path, row, columns) for _, row in group)
            # Numbers are given anew, so that PostgreSQL knows which is the next.
            given = ({k: v for k, v in row.items() if k != "number"} for row in rows)
            while part := list(islice(given, _CHUNK)):
                statement = tables[name].insert().returning(*tables[name].primary_key)
                connection.execute(statement, part)


def _require_known(path: Path, row: dict[str, Any], columns: set[str]) -> dict[str, Any]:
    if not row.keys() <= columns:
        raise StoreError(f"{path.name} holds a table or column that its version does not know")
    return row


def _count(connection: Connection, tables: dict[str, Table]) -> Counts:
    found = {
        name: connection.scalar(select(func.count()).select_from(table)) or 0
        for name, table in tables.items()
    }
    return {name: number for name, number in found.items() if number}


def _read_before(connection: Connection) -> Before:
    found = connection.execute(
        select(*(events.c[name] for name in _NAMES)).order_by(events.c.number)
    )
    return Before(read_erasures(connection), [tuple(row) for row in found])


def _settle(connection: Connection, before: Before, name: str) -> None:
    """Add what the store held before, then take away what is erased."""
    keep_erasures(connection, before.erasures)
    there = {tuple(row) for row in connection.execute(select(*(events.c[name] for name in _NAMES)))}
    lines = [dict(zip(_NAMES, row, strict=True)) for row in before.events if row not in there]
    if lines:
        connection.execute(events.insert().returning(events.c.number), lines)
    gone = apply_erasures(connection)
    if gone.predictions:
        insert_event(
            connection,
            Event(at=datetime.now(UTC), actor="restore", action="erasures.applied",
                  subject=name[:200], detail=gone.model_dump()),
        )  # fmt: skip
