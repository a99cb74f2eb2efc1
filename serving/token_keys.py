"""The issuer's public keys (JWKS, RFC 7517), from a file or an address, as they rotate."""

import asyncio
import contextlib
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from serving.problems import KeysUnavailableError

logger = logging.getLogger(__name__)

ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}
"""Type and curve of a key -> the one algorithm it is used with, whatever a token claims."""

MIN_RSA_BITS = 2048
"""NIST SP 800-131A, revision 2, section 3: shorter keys are disallowed for signatures."""

MAX_BYTES = 1 << 20
FETCH_SECONDS = 5.0
LOOK_SECONDS = 1.0
"""Between two looks at a file."""
REFRESH_SECONDS = 300.0
"""After which keys are fetched anew, beside the requests."""
COOLDOWN_SECONDS = 30.0
"""Between two fetches because of a key nobody published, which anybody can claim."""
STALE_SECONDS = 86_400.0
"""How long keys that cannot be fetched anew are believed."""


class Keys(Protocol):
    """Where public keys come from."""

    generation: int
    """Another number, other keys."""

    def follow(self) -> None:
        """Look whether the keys have changed; never waits."""

    async def find(self, kid: str | None) -> PyJWK | None:
        """The key of this name; without a name the only one there is.

        Raises
        ------
        KeysUnavailableError
            If no keys are known.
        """


def read_keys(content: bytes) -> dict[str, PyJWK]:
    """Key id -> key, of those that sign with an algorithm of ours; the rest is left out.

    Raises
    ------
    ValueError
        If it is no JWKS.
    """
    document = json.loads(content)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a JWKS document")
    found: dict[str, PyJWK] = {}
    for number, facts in enumerate(document["keys"]):
        if isinstance(facts, dict) and (key := _usable(facts)) is not None:
            found[str(facts.get("kid", f"#{number}"))] = key
    return found


def _usable(facts: dict[str, Any]) -> PyJWK | None:
    algorithm = ALGORITHMS.get((str(facts.get("kty")), facts.get("crv")))
    if algorithm is None or facts.get("alg", algorithm) != algorithm:
        return None
    if facts.get("use", "sig") != "sig" or "verify" not in facts.get("key_ops", ["verify"]):
        return None
    public = {name: value for name, value in facts.items() if name not in _PRIVATE}
    with contextlib.suppress(PyJWTError, ValueError, TypeError, KeyError):
        key = PyJWK(public, algorithm)
        if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS:
            return None
        return key
    return None


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


class _Known:
    """Keys by their names."""

    def __init__(self) -> None:
        self.generation = 0
        self._keys: dict[str, PyJWK] | None = None

    def _know(self, keys: dict[str, PyJWK]) -> None:
        self.generation += 1
        self._keys = keys
        logger.info("%d keys of the token issuer are known", len(keys))

    def _find(self, kid: str | None) -> PyJWK | None:
        if self._keys is None:
            raise KeysUnavailableError
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)


class FileKeys(_Known):
    """Keys of a file, which is looked at every second."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._file = file
        self._clock = clock
        self._next_look = -float("inf")
        self._seen: tuple[int, ...] | None = None

    def follow(self) -> None:
        """Read the file again if it has changed; damaged, it leaves the keys as they were."""
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + LOOK_SECONDS
        try:
            found = self._file.stat()
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen == self._seen:
                return
            self._seen = seen
            self._know(read_keys(self._file.read_bytes()))
        except (OSError, ValueError) as error:
            logger.error("%s: the issuer's keys stay as they were: %s", self._file, error)

    async def find(self, kid: str | None) -> PyJWK | None:
        """The key of this name; see `Keys`."""
        self.follow()
        return self._find(kid)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An issuer that moved is to be named anew, not followed."""

    def redirect_request(self, *_: object) -> None:
        return None


def fetch(address: str) -> bytes:
    """The bytes at an address, without redirects, bounded in size and time.

    Raises
    ------
    OSError
        If it cannot be had.
    """
    opener = urllib.request.build_opener(_NoRedirect)
    request = urllib.request.Request(address, headers={"accept": "application/json"})  # noqa: S310
    try:
        with opener.open(request, timeout=FETCH_SECONDS) as response:
            content: bytes = response.read(MAX_BYTES + 1)
    except (urllib.error.URLError, HTTPException, ValueError) as error:
        raise OSError(type(error).__name__) from None
    if len(content) > MAX_BYTES:
        raise OSError(f"more than {MAX_BYTES} bytes")
    return content


class FetchedKeys(_Known):
    """Keys of an address. Call it from one event loop.

    Parameters
    ----------
    get : gives the bytes at an address, or raises OSError; called beside the event loop
    """

    def __init__(
        self,
        address: str,
        get: Callable[[str], bytes] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._address = address
        self._get = get
        self._clock = clock
        self._fetched = -float("inf")
        self._tried = -float("inf")
        self._fetching: asyncio.Task[None] | None = None

    def follow(self) -> None:
        """Fetch the keys anew beside the requests when it is time."""
        now = self._clock()
        if self._keys is None:
            return
        if now - self._fetched > STALE_SECONDS:
            self._keys = None
            self.generation += 1
        elif now - self._fetched > REFRESH_SECONDS and now - self._tried > COOLDOWN_SECONDS:
            self._start()

    async def find(self, kid: str | None) -> PyJWK | None:
        """The key of this name, fetched if it is new; see `Keys`."""
        self.follow()
        known = None if self._keys is None else self._find(kid)
        waits = self._fetching is not None or self._clock() - self._tried > COOLDOWN_SECONDS
        if known is None and waits:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FETCH_SECONDS):
                    await asyncio.shield(self._start())
        return known or self._find(kid)

    def _start(self) -> "asyncio.Task[None]":
        if self._fetching is None:
            self._tried = self._clock()
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            keys = read_keys(await asyncio.to_thread(self._get, self._address))
            self._fetched = self._clock()
            self._know(keys)
        except (OSError, ValueError) as error:
            logger.error("the issuer's keys cannot be fetched: %s", error)
        finally:
            self._fetching = None


def open_keys(source: str) -> Keys:
    """Keys from where a setting says: an address or a file."""
    return FetchedKeys(source) if "://" in source else FileKeys(Path(source))
