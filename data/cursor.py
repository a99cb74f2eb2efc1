"""Where a page ended, as text that only its own query takes back."""

import base64
import binascii
import hashlib

from data.errors import DataError
from data.store import Query

_SEAL = 8
"""Bytes of the digest; it finds mistakes, and is no secret."""


def write_cursor(query: Query, last: str) -> str:
    """A cursor that stands behind the prediction `last`, in letters a URL may hold."""
    body = last.encode()
    return base64.urlsafe_b64encode(_seal(query, body) + body).decode().rstrip("=")


def read_cursor(query: Query, cursor: str) -> str:
    """The id of the prediction a cursor stands behind.

    Raises
    ------
    DataError
        If `write_cursor` did not make it, or made it for another query.
    """
    try:
        plain = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        sealed = base64.b64decode(plain, altchars=b"-_", validate=True)
        if sealed[:_SEAL] == _seal(query, sealed[_SEAL:]) and len(sealed) > _SEAL:
            return sealed[_SEAL:].decode()
    except (UnicodeError, binascii.Error):
        pass
    raise DataError("the cursor was not given with a page of this query: begin without one")


def _seal(query: Query, body: bytes) -> bytes:
    asked = query.model_dump_json().encode()
    return hashlib.sha256(asked + b"\0" + body).digest()[:_SEAL]
