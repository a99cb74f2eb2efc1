"""The lines of a spool: each tells its own length and checksum, so a torn one is known as such.

    0000009c 5f1d…16 hexadecimal digits {"key": …}

Length and checksum are of the JSON behind them, which holds no line break.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from data.durable import sync_folder
from data.store import Feedback

_HEAD = 8 + 1 + 16 + 1
"""Bytes before the JSON: its length, a blank, its checksum, a blank."""


class Contents(NamedTuple):
    """What a file of the spool holds: its whole records in order, and its other lines as bytes."""

    rows: list[Feedback]
    torn: list[bytes]


def encode(row: Feedback) -> bytes:
    """One line, its line break included."""
    payload = row.model_dump_json().encode()
    return _head(payload) + payload + b"\n"


def decode(line: bytes) -> Feedback | None:
    """The record of a line without its line break; None if it is not whole."""
    payload = line[_HEAD:]
    if line[:_HEAD] != _head(payload):
        return None
    try:
        return Feedback.model_validate_json(payload)
    except ValidationError:
        return None


def split(content: bytes) -> Contents:
    """Tell the whole records of a file from what a crash or a fault of the disk left."""
    rows: list[Feedback] = []
    torn: list[bytes] = []
    for line in content.split(b"\n"):
        row = decode(line)
        if row is not None:
            rows.append(row)
        elif line:
            torn.append(line)
    return Contents(rows, torn)


def append_durably(file: Path, content: bytes) -> None:
    """Write behind the end of a file and force it to disk, or leave the file as it was.

    Raises
    ------
    OSError
        If the disk is full or fails; nothing of the content counts then.
    """
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(handle).st_size
        try:
            written = 0
            while written < len(content):
                written += os.write(handle, content[written:])
            os.fsync(handle)
        except OSError:
            # What stays if this fails too is a torn line, which the next reader sets aside.
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    if size == 0:
        sync_folder(file.parent)


def ends_whole(file: Path) -> bool:
    """Whether the last line of a file has its line break."""
    with file.open("rb") as reader:
        reader.seek(-1, os.SEEK_END)
        return reader.read() == b"\n"


@contextmanager
def locked(file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock that ends with the process; gives False if it is taken and not waited for."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def joined(rows: Sequence[Feedback]) -> bytes:
    """The lines of some records."""
    return b"".join(map(encode, rows))


def _head(payload: bytes) -> bytes:
    return b"%08x %s " % (len(payload), hashlib.sha256(payload).hexdigest()[:16].encode())
