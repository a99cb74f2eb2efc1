"""A SQLite store copied while it is in use, by SQLite's own online backup, into one file."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Engine

from data.errors import StoreError
from data.sql_engine import told
from data.sql_migrations import require_known
from data.sql_tables import metadata


def copy_out(engine: Engine, path: Path) -> dict[str, int]:
    """Copy a store as it is at one moment, while nobody waits; how many rows the copy has.

    Raises
    ------
    StoreError
        If the copy is not sound, or there is no room for it.
    """
    path.unlink(missing_ok=True)
    with told(engine.url), closing(engine.raw_connection()) as source:
        with _named(path), closing(sqlite3.connect(path)) as target:
            source.driver_connection.backup(target)  # type: ignore[union-attr]
            target.execute("PRAGMA journal_mode=DELETE")  # one file, no journal beside it
            _require_sound(target, path)
            counts = {name: _count(target, name) for name in metadata.tables}
        with path.open("rb") as file:
            os.fsync(file.fileno())
    return counts


def copy_in(path: Path, engine: Engine) -> None:
    """Put a copy in the place of a store that is empty; others may have that open.

    Raises
    ------
    StoreError
        If the copy is damaged, no store, or made by newer code; the store stays empty then.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    with _named(path), closing(sqlite3.connect(address, uri=True)) as source:
        _require_sound(source, path)
        found = source.execute("SELECT version_num FROM alembic_version").fetchone()
        require_known(path.name, found[0] if found else None)
        with told(engine.url), closing(engine.raw_connection()) as target:
            source.backup(target.driver_connection)  # type: ignore[arg-type]


def is_sqlite_file(path: Path) -> bool:
    """Whether a file begins as SQLite's do."""
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])  # noqa: S608


def _require_sound(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreError(f"{path.name} is damaged: SQLite's integrity check fails")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
        raise StoreError(f"{path.name} cannot be copied: {reason}") from None
