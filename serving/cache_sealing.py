"""Answers on their way to a cache that others run: unreadable there, and not to be forged.

An answer holds values of a ticket's entities, which the customer wrote. So it leaves the process
under AES-256-GCM, and whatever is not an answer that one of us sealed is no answer.
"""

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
"""NIST SP 800-38D, 8.2: of a nonce drawn at random, of which a key stands 2**32. Each place has a
key of its own, so that no number of answers comes near."""

SOURCES = ("data", "models", "serving")


def derive(secret: str, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, from a secret for many."""
    return hmac.digest(secret.encode(), purpose.encode(), "sha256")


def fingerprint(root: Path | None = None) -> str:
    """What changes with the code that answers: two releases do not answer for each other."""
    root = root or Path(__file__).parent.parent
    read = hashlib.blake2b(digest_size=8)
    for package in SOURCES:
        for path in sorted((root / package).rglob("*.py")):
            read.update(path.relative_to(root).as_posix().encode())
            read.update(hashlib.blake2b(path.read_bytes()).digest())
    return read.hexdigest()


class Sealing:
    """Seals and opens contents under one secret.

    Parameters
    ----------
    secret : the same in all who share the cache
    """

    def __init__(self, secret: str) -> None:
        self._secret = derive(secret, "answers: contents")

    def seal(self, content: bytes, place: bytes) -> bytes:
        """The content, to be opened at this place alone."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher(place).encrypt(nonce, content, None)

    def open(self, sealed: bytes, place: bytes) -> bytes | None:
        """What was sealed for this place; None for everything else."""
        try:
            return self._cipher(place).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            return None

    def _cipher(self, place: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._secret, place, "sha256"))
