"""API keys by command: make, list, rotate and revoke them.

    python -m serving.keys create helpdesk --role agent --days 365
    python -m serving.keys list
    python -m serving.keys rotate helpdesk --overlap-hours 24
    python -m serving.keys revoke helpdesk

The file is that of `TICKETS_KEY_FILE`, or `--file`. Running workers follow it within seconds. A key
is printed once, when it is made: only its digest is kept.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.errors import DataError
from data.keys import ApiKey, KeyRing, change_ring, make_key, read_ring, require_free
from serving.permissions import GRANTED, PERMISSIONS

VARIABLE = "TICKETS_KEY_FILE"
COLUMNS = ("id", "name", "role", "state", "expires", "scopes")


def create(
    file: Path, name: str, role: str, scopes: tuple[str, ...] | None, days: float | None,
    now: datetime,
) -> str:  # fmt: skip
    """A new key; what its owner is to be given.

    Raises
    ------
    ConflictError
        If a valid key has this name.
    DataError
        If the file cannot be read or written.
    """
    expires = None if days is None else now + timedelta(days=days)
    key, told = make_key(name, role, now, scopes, expires)

    def change(ring: KeyRing) -> KeyRing:
        require_free(ring, name, now)
        return ring.with_key(key)

    change_ring(file, change)
    return told


def rotate(file: Path, which: str, overlap: timedelta, now: datetime) -> str:
    """A new key like the one named, which goes on for the overlap; what its owner is to be given.

    A key that expires is followed by one that lasts as long as it did when it was made.

    Raises
    ------
    DataError
        If no valid key has this name or id, or the file cannot be read or written.
    """
    told = ""

    def change(ring: KeyRing) -> KeyRing:
        nonlocal told
        olds = find(ring, which, now)
        newest = max(olds, key=lambda key: key.created_at)
        lasts = None if newest.expires_at is None else newest.expires_at - newest.created_at
        expires = None if lasts is None else now + lasts
        new, told = make_key(newest.name, newest.role, now, newest.scopes, expires)
        ends = now + overlap
        for old in olds:
            until = ends if old.expires_at is None else min(ends, old.expires_at)
            ring = ring.with_key(old.model_copy(update={"expires_at": until}))
        return ring.with_key(new)

    change_ring(file, change)
    return told


def revoke(file: Path, which: str, now: datetime) -> int:
    """End the key of this id, or all of this name, at once; how many there were.

    Raises
    ------
    DataError
        If no valid key has this name or id, or the file cannot be read or written.
    """
    ended = 0

    def change(ring: KeyRing) -> KeyRing:
        nonlocal ended
        for key in find(ring, which, now):
            ring = ring.with_key(key.model_copy(update={"revoked_at": now}))
            ended += 1
        return ring

    change_ring(file, change)
    return ended


def find(ring: KeyRing, which: str, now: datetime) -> tuple[ApiKey, ...]:
    """The valid keys of this name, or the one of this id.

    Raises
    ------
    DataError
        If there is none.
    """
    by_id = ring.find(which)
    found = ring.named(which, now) or (() if by_id is None else (by_id,))
    valid = tuple(key for key in found if key.state(now) == "valid")
    if not valid:
        raise DataError(f"no valid key has the name or id {which!r}")
    return valid


def as_table(ring: KeyRing, now: datetime) -> str:
    """The keys, without what opens anything."""
    rows = [COLUMNS]
    for key in sorted(ring.keys, key=lambda key: (key.name, key.created_at)):
        expires = "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M}"
        scopes = "all of the role" if key.scopes is None else " ".join(key.scopes)
        rows.append((key.id, key.name, key.role, key.state(now), expires, scopes))
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.keys", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--file", type=Path, default=os.environ.get(VARIABLE), help=f"by default ${VARIABLE}"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    created = commands.add_parser("create", help="make a key, and print it once")
    created.add_argument("name", help="who will ask with it; feedback is signed by it")
    created.add_argument("--role", choices=GRANTED, required=True)
    created.add_argument("--scope", action="append", choices=PERMISSIONS, dest="scopes",
                         help="of what the role may, only this; may be given again")  # fmt: skip
    created.add_argument("--days", type=float, help="after which it expires; by default never")
    commands.add_parser("list", help="all keys, without what opens anything")
    rotated = commands.add_parser("rotate", help="follow a key by a new one, and print that once")
    rotated.add_argument("which", help="name or id")
    rotated.add_argument("--overlap-hours", type=float, default=24.0,
                         help="how long the old one goes on")  # fmt: skip
    revoked = commands.add_parser("revoke", help="end a key at once")
    revoked.add_argument("which", help="name or id")
    return parser


def obey(asked: argparse.Namespace, now: datetime) -> str:
    """Do what the command line asks for; what is to be printed."""
    if asked.command == "create":
        scopes = None if asked.scopes is None else tuple(asked.scopes)
        return create(asked.file, asked.name, asked.role, scopes, asked.days, now)
    if asked.command == "rotate":
        return rotate(asked.file, asked.which, timedelta(hours=asked.overlap_hours), now)
    if asked.command == "revoke":
        return f"{revoke(asked.file, asked.which, now)} revoked"
    return as_table(read_ring(asked.file), now)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser()
    asked = parser.parse_args(arguments)
    if asked.file is None:
        parser.error(f"name the file of keys by --file or {VARIABLE}")
    try:
        sys.stdout.write(obey(asked, datetime.now(UTC)) + "\n")
    except FileNotFoundError:
        sys.exit(f"{asked.command}: {asked.file} is not there")
    except (DataError, ValueError) as error:
        sys.exit(f"{asked.command}: {error}")


if __name__ == "__main__":
    main()
