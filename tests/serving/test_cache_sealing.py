"""What is sealed is opened by the same secret at the same place, and nowhere else."""

import pytest

from serving.cache_sealing import NONCE_BYTES, Sealing, derive

SALT = "9f1c0b7d2e6a4835"


@pytest.mark.parametrize("content", [b"", b"{}", b"x" * 100_000])
def test_what_is_sealed_can_be_opened(content: bytes) -> None:
    sealed = Sealing(SALT).seal(content, b"place")
    assert Sealing(SALT).open(sealed, b"place") == content


def test_nothing_of_the_content_shows_and_no_two_are_alike() -> None:
    sealing = Sealing(SALT)
    seals = {sealing.seal(b"hunter2 " * 100, b"place") for _ in range(100)}
    assert len(seals) == 100
    assert not any(b"hunter2" in sealed for sealed in seals)


def test_another_place_or_secret_opens_nothing() -> None:
    sealed = Sealing(SALT).seal(b"answer", b"place")
    assert Sealing(SALT).open(sealed, b"other") is None
    assert Sealing(SALT + "0").open(sealed, b"place") is None


def test_what_was_touched_opens_to_nothing() -> None:
    sealing = Sealing(SALT)
    sealed = sealing.seal(b"answer", b"place")
    for i in range(len(sealed)):
        touched = sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :]
        assert sealing.open(touched, b"place") is None
        assert sealing.open(sealed[:i], b"place") is None
    assert sealing.open(sealed + b"0", b"place") is None
    assert sealing.open(b"0" * NONCE_BYTES, b"place") is None


def test_keys_of_two_purposes_have_nothing_in_common() -> None:
    found = {derive(SALT, purpose) for purpose in ("names", "contents", "")}
    assert len(found) == 3
    assert all(len(key) == 32 for key in found)
