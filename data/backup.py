"""Backups of a store, and stores made of backups.

Two forms, told by the ending. `.db`: SQLite's own copy, from SQLite and to SQLite. `.jsonl` and
`.jsonl.gz`: one line a row, from either engine to either; the first line tells the version of the
tables, the last how many rows there are of each and the SHA-256 of all lines before it.
"""

import gzip
import hashlib
import json
from collections import Counter
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from sqlalchemy import Engine, func, select

from data.backup_sqlite import copy_in, copy_out, is_sqlite_file
from data.durable import sync_folder
from data.errors import StoreError
from data.sql_engine import is_postgres, reading, where, writing
from data.sql_migrations import migrate, newest_revision, require_newest
from data.sql_tables import metadata

Counts = dict[str, int]
"""Table -> rows."""

FORMAT = "ticket-assistant store 1"
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


def restore(path: Path, engine: Engine) -> Counts:
    """Fill a store that is empty, or not there yet, from a backup: all of it or nothing.

    What was erased after the backup was made is in it again; erase it again.

    Raises
    ------
    StoreError
        If the backup is damaged, incomplete or of another version, or the store is not empty.
    """
    try:
        native = is_sqlite_file(path)
        if native and is_postgres(engine):
            raise StoreError(f"{path.name} is SQLite's; to PostgreSQL goes a .jsonl or .jsonl.gz")
        if not native:
            expected = _verify(path)
        migrate(engine)
        counts = count_rows(engine)
        if any(number for name, number in counts.items() if name != "facts"):
            raise StoreError(f"{where(engine.url)} is not empty: restore into a new one")
        if native:
            copy_in(path, engine)
            require_newest(engine)
        else:
            _fill(engine, path)
    except (OSError, EOFError) as error:
        raise StoreError(f"{path} cannot be read: {type(error).__name__}") from None
    found = count_rows(engine)
    if not native and found != expected:
        raise StoreError(f"{where(engine.url)} holds {found}, the backup {expected}")
    return found


def count_rows(engine: Engine) -> Counts:
    """How many rows each table has."""
    with reading(engine) as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in _TABLES.items()
        }


def _write(engine: Engine, path: Path) -> Counts:
    counts: Counts = dict.fromkeys(_TABLES, 0)
    digest = hashlib.sha256()
    with _open(path, "wb", path.name.endswith(".gz")) as file, reading(engine) as connection:

        def put(line: dict[str, Any]) -> None:
            told = json.dumps(line, ensure_ascii=False).encode() + b"\n"
            digest.update(told)
            file.write(told)

        put({"format": FORMAT, "revision": newest_revision()})
        for name, table in _TABLES.items():
            options = {"stream_results": True, "yield_per": _CHUNK}
            for row in connection.execute(select(table), execution_options=options):
                put({"table": name, "row": dict(row._mapping)})
                counts[name] += 1
        put({"counts": counts, "sha256": digest.hexdigest()})
    return counts


def _verify(path: Path) -> Counts:
    """Read a backup to its end and tell what it holds."""
    digest, counts, last = hashlib.sha256(), Counter[str](), b""
    with _open(path, "rb", _is_gzip(path)) as file:
        _require_format(path, file.readline(1000), digest)
        for line in file:
            if last:
                digest.update(last)
                counts[_parse(path, last).get("table", "")] += 1
            last = line
    end = _parse(path, last) if last else {}
    expected = dict.fromkeys(_TABLES, 0) | dict(counts)
    if end.get("sha256") != digest.hexdigest() or end.get("counts") != expected:
        raise StoreError(f"{path.name} is damaged or incomplete: its checksum is not that of it")
    return expected


def _require_format(path: Path, line: bytes, digest: Any) -> None:
    digest.update(line)
    head = _parse(path, line)
    if head.get("format") != FORMAT:
        raise StoreError(f"{path.name} is no backup of a store")
    if head.get("revision") != newest_revision():
        raise StoreError(
            f"{path.name} has version {head.get('revision')} of the tables, {newest_revision()} is "
            "expected: restore it with the code of that version, then migrate"
        )


def _fill(engine: Engine, path: Path) -> None:
    with _open(path, "rb", _is_gzip(path)) as file, writing(engine, alone=True) as connection:
        connection.execute(_TABLES["facts"].delete())  # its salt goes with the digests
        rows = (line for line in map(json.loads, file) if "table" in line)
        for name, group in groupby(rows, key=lambda line: str(line["table"])):
            table = _TABLES[name]
            # Numbers are given anew, so that PostgreSQL knows which is the next.
            given = ({k: v for k, v in line["row"].items() if k != "number"} for line in group)
            while part := list(islice(given, _CHUNK)):
                statement = table.insert().returning(*table.primary_key)
                connection.execute(statement, part)


def _open(path: Path, mode: str, packed: bool) -> IO[bytes]:
    return gzip.open(path, mode) if packed else path.open(mode)  # type: ignore[return-value]


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _parse(path: Path, line: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise StoreError(f"{path.name} is damaged: a line of it is not a JSON object")
    return parsed
