import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from serving import token_keys
from serving.problems import KeysUnavailableError
from serving.token_keys import (
    COOLDOWN_SECONDS,
    LOOK_SECONDS,
    REFRESH_SECONDS,
    STALE_SECONDS,
    FetchedKeys,
    FileKeys,
    fetch,
    open_keys,
    read_keys,
)
from tests.serving.identity_fakes import as_jwk, ec_key, jwks, rsa_key


class Issuer:
    """Shows keys, counts how often it is asked, and can be down."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked = 0
        self.down = False
        self.now = 0.0

    def get(self, _: str) -> bytes:
        self.asked += 1
        if self.down:
            raise OSError("down")
        return jwks(*(as_jwk(rsa_key(), name) for name in self.names))

    def open(self) -> FetchedKeys:
        return FetchedKeys("https://issuer.example/jwks", self.get, lambda: self.now)


def test_only_keys_that_sign_with_an_algorithm_of_ours_are_read() -> None:
    good = as_jwk(rsa_key(), "rsa"), as_jwk(ec_key(), "ec", use="sig", alg="ES256")
    bad = (
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"},
        as_jwk(rsa_key(), "enc", use="enc"),
        as_jwk(rsa_key(), "other", alg="RS512"),
        as_jwk(rsa_key(), "wrong", alg="HS256"),
        as_jwk(rsa_key(3, 1024), "short"),
        as_jwk(rsa_key(), "signs", key_ops=["sign"]),
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "kid": "off", "x": "AA", "y": "AA"},
        {},
    )
    assert set(read_keys(jwks(*good, *bad))) == {"rsa", "ec"}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": 1}', b"\xff", b"<html>"])
def test_what_is_no_jwks_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        read_keys(content)


def test_a_private_half_is_not_kept() -> None:
    facts = as_jwk(rsa_key(), "rsa", d="c2VjcmV0")
    assert "c2VjcmV0" not in str(vars(read_keys(jwks(facts))["rsa"]))


def test_keys_are_fetched_once_for_many_who_wait() -> None:
    issuer = Issuer("k1")
    keys = issuer.open()

    async def ask() -> None:
        found = await asyncio.gather(*(keys.find("k1") for _ in range(50)))
        assert all(found)

    asyncio.run(ask())
    assert issuer.asked == 1


def test_a_key_that_is_new_is_fetched_at_once_but_not_again_and_again() -> None:
    issuer = Issuer("k1")
    keys = issuer.open()

    async def ask() -> None:
        assert await keys.find("k1")
        issuer.now += COOLDOWN_SECONDS + 1
        issuer.names = ("k1", "k2")
        assert await keys.find("k2")
        assert issuer.asked == 2
        for number in range(100):
            assert await keys.find(f"invented-{number}") is None
        assert issuer.asked == 2

    asyncio.run(ask())


def test_keys_are_fetched_anew_beside_the_requests_and_old_ones_go() -> None:
    issuer = Issuer("k1")
    keys = issuer.open()

    async def ask() -> None:
        assert await keys.find("k1")
        before = keys.generation
        issuer.names = ("k2",)
        issuer.now += REFRESH_SECONDS + 1
        assert await keys.find("k1"), "nobody waits for the new ones"
        assert keys._fetching is not None
        await keys._fetching
        assert keys.generation != before
        assert await keys.find("k1") is None
        assert await keys.find("k2")

    asyncio.run(ask())


def test_an_issuer_that_is_down_leaves_the_keys_for_a_day() -> None:
    issuer = Issuer("k1")
    keys = issuer.open()

    async def ask() -> None:
        assert await keys.find("k1")
        issuer.down = True
        issuer.now += STALE_SECONDS - 1
        assert await keys.find("k1")
        if keys._fetching is not None:
            await keys._fetching
        issuer.now += 2
        with pytest.raises(KeysUnavailableError):
            await keys.find("k1")
        issuer.down = False
        issuer.now += COOLDOWN_SECONDS + 1
        assert await keys.find("k1")

    asyncio.run(ask())


def test_an_issuer_that_was_never_reached_is_told() -> None:
    issuer = Issuer("k1")
    issuer.down = True
    keys = issuer.open()

    async def ask() -> None:
        for _ in range(5):
            with pytest.raises(KeysUnavailableError):
                await keys.find("k1")

    asyncio.run(ask())
    assert issuer.asked == 1


def test_an_issuer_that_hangs_holds_nobody_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_keys, "FETCH_SECONDS", 0.01)
    goes_on = threading.Event()

    def hang(_: str) -> bytes:
        assert goes_on.wait(30)
        return jwks(as_jwk(rsa_key()))

    keys = FetchedKeys("https://issuer.example/jwks", hang)

    async def ask() -> None:
        with pytest.raises(KeysUnavailableError):
            await keys.find("k1")
        goes_on.set()
        assert keys._fetching is not None
        await keys._fetching
        assert await keys.find("k1")

    asyncio.run(ask())


def test_a_file_is_followed_and_damaged_leaves_the_keys_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(jwks(as_jwk(rsa_key())))
    now = [0.0]
    keys = FileKeys(file, lambda: now[0])

    async def ask() -> None:
        assert await keys.find("k1")
        file.write_text("{")
        now[0] += LOOK_SECONDS
        assert await keys.find("k1")
        file.write_bytes(jwks(as_jwk(rsa_key(2), "k2")))
        now[0] += LOOK_SECONDS
        assert await keys.find("k1") is None
        assert await keys.find("k2")

    asyncio.run(ask())


def test_a_source_is_an_address_or_a_file(tmp_path: Path) -> None:
    assert isinstance(open_keys("https://issuer.example/jwks"), FetchedKeys)
    assert isinstance(open_keys(str(tmp_path)), FileKeys)


@contextmanager
def served(status: int, content: bytes, headers: dict[str, str]) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_address_is_read_without_redirects_and_no_further_than_it_may_be_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_keys, "MAX_BYTES", 100)
    with served(200, b"x" * 100, {}) as address:
        assert fetch(address) == b"x" * 100
    with served(200, b"x" * 101, {}) as address, pytest.raises(OSError, match="100"):
        fetch(address)
    elsewhere = {"location": "http://127.0.0.1:1/"}
    with served(302, b"", elsewhere) as address, pytest.raises(OSError, match="HTTPError"):
        fetch(address)
    with served(500, b"", {}) as address, pytest.raises(OSError, match="HTTPError"):
        fetch(address)
    with pytest.raises(OSError):
        fetch("http://127.0.0.1:1/")
