"""Locks between processes: of one job, two never run at once.

The system frees a lock when its process ends, however it ends, so a crash leaves nothing to clean
up. Processes of several machines exclude each other only where they share a file system that locks
files between machines.
"""

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import AwareDatetime, Field, ValidationError

from data.durable import write_text
from data.errors import LockedError
from data.schema import Record

LOCKS = Path(".cache/locks")
"""Where locks lie unless another folder is named."""

DEPLOYMENT = "deployment"
"""Held by commands from reading deployment.json to writing it, or one change undoes another."""

PATIENCE = 900.0
"""Seconds one waits for it: what holds it longest rehearses a candidate first."""


class Holder(Record):
    """Who holds a lock."""

    pid: int = Field(gt=0)
    host: str
    since: AwareDatetime


@contextmanager
def exclusive(name: str, folder: Path = LOCKS, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lock of this name while the block runs; it cannot be taken twice by one process.

    Parameters
    ----------
    name : small letters, digits and hyphens, e.g. `retrain`
    folder : made where it is missing; the lock file stays there afterwards
    wait_seconds : how long to wait for another holder; 0: not at all

    Raises
    ------
    LockedError
        If another holds it; the message says which process on which machine, and since when.
    ValueError
        If the name is none.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name):
        raise ValueError(f"{name!r} names no lock: small letters, digits and hyphens do")
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the lock and not in it: whoever tries to take a lock opens its file for writing.
    label = folder / f"{name}.holder.json"
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise LockedError(
            f"{name} is running already, {_told(find_holder(name, folder))}: wait until it has "
            "ended, or end it"
        ) from None
    try:
        holder = Holder(pid=os.getpid(), host=socket.gethostname(), since=datetime.now(UTC))
        write_text(label, holder.model_dump_json() + "\n")
        yield
    finally:
        label.unlink(missing_ok=True)
        lock.release()


def find_holder(name: str, folder: Path = LOCKS) -> Holder | None:
    """Who took this lock last and has not given it back; it may have died since."""
    try:
        return Holder.model_validate(json.loads((folder / f"{name}.holder.json").read_bytes()))
    except (OSError, ValueError, ValidationError):
        return None


def _told(holder: Holder | None) -> str:
    if holder is None:
        return "by a process that did not say which"
    return f"as process {holder.pid} on {holder.host} since {holder.since:%Y-%m-%d %H:%M:%S} UTC"
