"""Backups of a store: the whole of it in one file.

Two forms, told by the ending. `.db`: SQLite's own copy, from SQLite and to SQLite. `.jsonl` and
`.jsonl.gz` (`data.backup_file`): from either engine to either. `data.restore` makes stores of them.
"""

from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine, func, select

from data.backup_file import Writer, create_backup
from data.backup_sqlite import copy_out
from data.durable import sync_folder
from data.errors import StoreError
from data.sql_engine import is_postgres, reading
from data.sql_migrations import newest_revision, require_newest
from data.sql_tables import metadata

Counts = dict[str, int]
"""Table -> rows."""

_CHUNK = 500
_TABLES = {table.name: table for table in metadata.sorted_tables}


def back_up(engine: Engine, path: Path) -> Counts:
    """Write the whole store, as it is at one moment, to a file that appears when it is complete.

    Others may write meanwhile; what they write is not in it. Memory does not grow with the store.

    Raises
    ------
    StoreError
        If the ending tells no form, a `.db` is asked of PostgreSQL, or the file cannot be written.
    """
    if path.suffix == ".db" and is_postgres(engine):
        raise StoreError(f"{path.name}: PostgreSQL is backed up as .jsonl or .jsonl.gz")
    if path.suffix != ".db" and not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise StoreError(f"{path.name} should end in .db, .jsonl or .jsonl.gz")
    require_newest(engine)
    partial = path.with_name(f".{uuid4().hex[:12]}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        counts = copy_out(engine, partial) if path.suffix == ".db" else _write(engine, partial)
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {type(error).__name__}") from None
    finally:
        partial.unlink(missing_ok=True)
    return counts


def count_rows(engine: Engine) -> Counts:
    """How many rows each table has."""
    with reading(engine) as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in _TABLES.items()
        }


def _write(engine: Engine, path: Path) -> Counts:
    counts: Counts = dict.fromkeys(_TABLES, 0)
    with create_backup(path) as file, reading(engine) as connection:
        writer = Writer(file, newest_revision())
        for name, table in _TABLES.items():
            options = {"stream_results": True, "yield_per": _CHUNK}
            for row in connection.execute(select(table), execution_options=options):
                writer.add(name, dict(row._mapping))
                counts[name] += 1
        writer.end(counts)
    return counts
