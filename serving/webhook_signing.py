"""Signatures of Standard Webhooks (https://www.standardwebhooks.com), symmetric, version 1.

Signed is `id.timestamp.body` with HMAC-SHA256. Every secret adds a signature of its own, so that a
receiver may know the old one or the new one while they are exchanged.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NewType

from data.errors import CatalogError

Secret = NewType("Secret", bytes)

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, as the specification recommends."""

TOLERANCE = 300
"""Seconds by which the clocks of both sides may differ."""


def read_secret(text: str, where: str) -> Secret:
    """A secret as it is written: `whsec_` and base64.

    Raises
    ------
    CatalogError
        If it is none; the message names its place and not what stands there.
    """
    try:
        secret = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not SHORTEST <= len(secret) <= LONGEST:
        raise CatalogError(
            f"{where} holds no webhook secret: {PREFIX} and base64 of {SHORTEST} to {LONGEST} "
            "bytes is expected, as `python -m serving.webhooks secret` makes them"
        )
    return Secret(secret)


def new_secret() -> str:
    """A new secret as it is written, of 32 bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(keys: Sequence[Secret], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers that go with a body."""
    timestamp = str(int(at.timestamp()))
    signatures = " ".join(_signature(key, message_id, timestamp, body) for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signatures,
    }


def verify(keys: Sequence[Secret], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether one of the secrets signed this body not long ago; what a receiver asks itself.

    Parameters
    ----------
    headers : with names in small letters
    """
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        return False
    given = headers.get("webhook-signature", "").split(" ")
    wanted = [_signature(key, headers.get("webhook-id", ""), timestamp, body) for key in keys]
    # All are compared, so that the time it takes tells nothing.
    same = [hmac.compare_digest(one.encode(), other.encode()) for one in wanted for other in given]
    return any(same)


def _signature(key: Secret, message_id: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
