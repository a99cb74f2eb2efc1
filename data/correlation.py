"""The name that everything which one request or run caused is found by.

Taken from who asks, if it is well-formed, so that one name goes through all systems: the trace of
W3C Trace Context, or else a request id. Both are digits: whatever else a client may write there is
not taken, as the name stands in logs, rows and traces, where no word of a ticket may.
"""

import os
import re
import secrets
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import StringConstraints

Correlation = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{16,64}$")]
"""Hexadecimal digits, and hyphens as a UUID has them."""

_REQUEST_ID = re.compile(r"[0-9a-f-]{16,64}", re.IGNORECASE)
# https://www.w3.org/TR/trace-context/#traceparent-header: version ff is forbidden, a later version
# than 00 may have more fields, and neither id is all zeros.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})"
    r"-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


class TraceParent(NamedTuple):
    """Who asks, as W3C Trace Context tells it."""

    trace: str
    """32 hexadecimal digits."""
    span: str
    """16 hexadecimal digits."""
    sampled: bool


def read_traceparent(header: str | None) -> TraceParent | None:
    """What a `traceparent` tells; None where there is none, or one that is not well-formed."""
    found = None if header is None else _TRACEPARENT.fullmatch(header.strip())
    if found is None or (found["version"] == "00" and found["more"]):
        return None
    return TraceParent(found["trace"], found["span"], bool(int(found["flags"], 16) & 1))


def read_request_id(header: str | None) -> str | None:
    """A request id in small letters; None where there is none, or one that is not well-formed."""
    if header is None or not _REQUEST_ID.fullmatch(header) or not header.strip("-"):
        return None
    return header.lower()


def new_correlation() -> str:
    """A name nobody has used: 32 hexadecimal digits, as a trace has."""
    return secrets.token_hex(16)


def find_correlation(environment: Mapping[str, str] = os.environ) -> str | None:
    """The name that whoever started this process gave it.

    `TRACEPARENT` as OpenTelemetry hands it to processes, or `TICKETS_CORRELATION`.
    """
    parent = read_traceparent(environment.get("TRACEPARENT"))
    return parent.trace if parent else read_request_id(environment.get("TICKETS_CORRELATION"))
