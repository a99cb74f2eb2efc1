"""API keys in one file: who may ask, by digests that no key can be told from.

A key is `ta_<id>_<secret>`. The id is public and finds the row; of the secret, 256 random bits,
only the SHA-256 is kept: a slow hash protects what people choose, and nobody chose this. The file
is replaced whole, so that a reader meets either state and never half of one.
"""

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import AwareDatetime, Field, ValidationError

from data.errors import ConflictError, DataError
from data.schema import Record

PREFIX = "ta_"
MAX_KEY = 128
"""Characters of a presented key that are looked at, at most."""

_SHAPE = re.compile(r"ta_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
_ID = "abcdefghijklmnopqrstuvwxyz0123456789"

KeyState = Literal["valid", "expired", "revoked"]


class ApiKey(Record):
    """What is kept of one key."""

    id: str = Field(pattern=r"^[a-z0-9]{12}$")
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="who asks with it; the same before and after a rotation",
    )
    role: str = Field(min_length=1, max_length=40)
    scopes: tuple[str, ...] | None = Field(
        default=None, description="of the role's permissions only these; null: all"
    )
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False, description="SHA-256 of the secret")
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    def state(self, now: datetime) -> KeyState:
        """Whether it opens anything at this moment."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"

    def opens_with(self, secret: str) -> bool:
        """Whether the secret is this key's; the time it takes does not depend on the secret."""
        return hmac.compare_digest(self.digest, digest_of(secret))


class KeyRing(Record):
    """All keys of an installation."""

    format: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()

    def find(self, id: str) -> ApiKey | None:
        """The key of this id."""
        return next((key for key in self.keys if key.id == id), None)

    def named(self, name: str, now: datetime) -> tuple[ApiKey, ...]:
        """Keys of this name that are valid."""
        return tuple(key for key in self.keys if key.name == name and key.state(now) == "valid")

    def with_key(self, key: ApiKey) -> "KeyRing":
        """The ring with this key in the place of the one of its id, or added."""
        others = tuple(one for one in self.keys if one.id != key.id)
        return KeyRing(keys=(*others, key))


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def split_key(presented: str) -> tuple[str, str] | None:
    """Id and secret of a key; None where it has not the shape of one."""
    found = _SHAPE.fullmatch(presented) if len(presented) <= MAX_KEY else None
    return None if found is None else (found[1], found[2])


def make_key(
    name: str,
    role: str,
    now: datetime,
    scopes: tuple[str, ...] | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key, and what its owner is to be given: it cannot be told again."""
    id = "".join(secrets.choice(_ID) for _ in range(12))
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        id=id, name=name, role=role, scopes=scopes, digest=digest_of(secret),
        created_at=now, expires_at=expires_at,
    )  # fmt: skip
    return key, f"{PREFIX}{id}_{secret}"


def read_ring(file: Path) -> KeyRing:
    """The keys of a file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    DataError
        If it cannot be read, or is not a file of keys.
    """
    try:
        return KeyRing.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{file}: the keys cannot be read: {error.strerror}") from None
    except ValidationError as error:
        message = f"{file}: not a file of keys, {error.error_count()} faults"
        raise DataError(message) from None


def change_ring(file: Path, change: Callable[[KeyRing], KeyRing]) -> None:
    """Replace the keys of a file by what `change` makes of them, one process after the other.

    Raises
    ------
    DataError
        If the file cannot be read or written.
    ConflictError
        As `change` raises it; the file is then as it was.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock", timeout=10):
            try:
                ring = read_ring(file)
            except FileNotFoundError:
                ring = KeyRing()
            _write(file, change(ring).model_dump_json(indent=1))
    except (OSError, TimeoutError) as error:
        raise DataError(f"{file}: the keys cannot be written: {error}") from None


def require_free(ring: KeyRing, name: str, now: datetime) -> None:
    """Refuse a name that a valid key has: it is to be rotated.

    Raises
    ------
    ConflictError
    """
    if found := ring.named(name, now):
        raise ConflictError(f"key {found[0].id} has the name {name!r} already: rotate it")


def _write(file: Path, content: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(content + "\n")
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
