"""The portable form of a backup: one line a row, the first tells the version, the last proves all.

{"format": ..., "revision": ...}
{"table": ..., "row": {...}}            as many as there are rows
{"counts": {table: rows}, "sha256": ...}    of all lines before this one
"""

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from data.errors import StoreError
from data.sql_migrations import require_known

FORMAT = "ticket-assistant store 1"


class Contents(NamedTuple):
    """What a portable backup was found to hold."""

    revision: str
    """Of the tables its rows are from."""
    counts: dict[str, int]
    """Table -> rows, of those that have any."""


class Writer:
    """Writes lines and knows their checksum."""

    def __init__(self, file: IO[bytes], revision: str) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._put({"format": FORMAT, "revision": revision})

    def add(self, table: str, row: dict[str, Any]) -> None:
        """Write a row."""
        self._put({"table": table, "row": row})

    def end(self, counts: dict[str, int]) -> None:
        """Write the line that proves all others."""
        self._put({"counts": counts, "sha256": self._digest.hexdigest()})

    def _put(self, line: dict[str, Any]) -> None:
        told = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        self._digest.update(told)
        self._file.write(told)


def verify(path: Path) -> Contents:
    """Read a backup to its end and tell what it holds.

    Raises
    ------
    StoreError
        If it is none, damaged, incomplete, or made by newer code.
    """
    digest, counts, last = hashlib.sha256(), Counter[str](), b""
    with open_backup(path) as file:
        head = file.readline(1000)
        digest.update(head)
        revision = _read_head(path, head)
        for line in file:
            if last:
                digest.update(last)
                counts[str(_parse(path, last).get("table"))] += 1
            last = line
    end = _parse(path, last) if last else {}
    told = end.get("counts")
    same = isinstance(told, dict) and {k: n for k, n in told.items() if n} == dict(counts)
    if end.get("sha256") != digest.hexdigest() or not same:
        raise StoreError(f"{path.name} is damaged or incomplete: its checksum is not that of it")
    return Contents(revision, dict(counts))


def read_rows(file: IO[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Table and row, in the order of the file; of one that was verified."""
    for line in map(json.loads, file):
        if "table" in line:
            yield line["table"], line["row"]


def create_backup(path: Path) -> IO[bytes]:
    """Open to write, packed if the name ends in .gz."""
    packed = path.name.endswith(".gz")
    return gzip.open(path, "wb") if packed else path.open("wb")  # type: ignore[return-value]


def open_backup(path: Path) -> IO[bytes]:
    """Open to read, packed or not."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _read_head(path: Path, line: bytes) -> str:
    head = _parse(path, line)
    revision = head.get("revision")
    if head.get("format") != FORMAT or not isinstance(revision, str):
        raise StoreError(f"{path.name} is no backup of a store")
    require_known(path.name, revision)
    return revision


def _parse(path: Path, line: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise StoreError(f"{path.name} is damaged: a line of it is not a JSON object")
    return parsed
