"""API keys as workers check them: the file is looked at every second, without a restart."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from data.errors import DataError
from data.keys import ApiKey, KeyRing, digest_of, read_ring, split_key
from serving.permissions import permissions_of
from serving.principals import CredentialRefusedError, Principal

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at the file, and so how long a revoked key goes on."""

UNKNOWN = "the key is not known"
_DUMMY = ApiKey(
    id="0" * 12, name="nobody", role="viewer", digest=digest_of(""),
    created_at=datetime(1970, 1, 1, tzinfo=UTC),
)  # fmt: skip


class ApiKeys:
    """Tells who a key belongs to. Call it from one thread.

    A file that is damaged or cannot be read leaves the keys as they were, and is told in the log; a
    file that is gone leaves none.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._seen: tuple[int, ...] | None = None
        self._keys: dict[str, tuple[ApiKey, Principal]] = {}
        self._next_look = -float("inf")

    def find(self, presented: str) -> Principal:
        """The owner of a key.

        Raises
        ------
        CredentialRefusedError
            If it is no key, or none that is valid now.
        """
        if self._clock() >= self._next_look:
            self._look()
        parts = split_key(presented)
        if parts is None:
            raise CredentialRefusedError("this is not the shape of a key", "malformed")
        id, secret = parts
        key, principal = self._keys.get(id, (None, None))
        if not (key or _DUMMY).opens_with(secret) or key is None or principal is None:
            raise CredentialRefusedError(UNKNOWN, "unknown")
        state = key.state(datetime.now(UTC))
        if state != "valid":
            raise CredentialRefusedError(f"the key is {state}", state)
        return principal

    def _look(self) -> None:
        self._next_look = self._clock() + LOOK_SECONDS
        try:
            found = self._file.stat()
            seen: tuple[int, ...] = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen == self._seen:
                return
            ring = read_ring(self._file)
        except FileNotFoundError:
            if self._keys or self._seen is None:
                logger.error("%s: there is no file of keys, so no key is valid", self._file)
            seen, ring = (), KeyRing()
        except OSError as error:
            logger.error("%s: the keys stay as they were: %s", self._file, error.strerror)
            return
        except DataError as error:
            logger.error("the keys stay as they were: %s", error)
            self._seen = seen
            return
        if seen == self._seen:
            return
        self._seen = seen
        self._keys = {
            key.id: (key, Principal(f"key:{key.name}", permissions_of(key.role, key.scopes)))
            for key in ring.keys
        }
        logger.info("%d keys are known", len(self._keys))
