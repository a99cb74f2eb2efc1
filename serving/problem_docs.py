"""How the documentation tells the problems of a route, with an example of each type."""

from typing import Any

from pydantic import JsonValue

from data.errors import ConflictError, StoreError
from serving.problems import (
    KINDS,
    MEDIA_TYPE,
    ErasedError,
    ForbiddenError,
    HeaderError,
    HostError,
    JobsFullError,
    KeysUnavailableError,
    Kind,
    NotFoundError,
    ParametersError,
    RateLimitedError,
    RemoteError,
    kind_of_status,
)

FAULT: dict[str, JsonValue] = {
    "detail": "1 field is not valid",
    "errors": [
        {
            "pointer": "#/text",
            "message": "String should have at least 1 character",
            "type": "string_too_short",
        }
    ],
    "error_count": 1,
}


HEADER_FAULT: dict[str, JsonValue] = {
    "detail": "1 header is not valid",
    "errors": [
        {
            "pointer": "#/X-Customer",
            "message": "String should have at least 1 character",
            "type": "string_too_short",
        }
    ],
    "error_count": 1,
}

NAMED_BY_ROUTES = frozenset(
    {
        ConflictError, StoreError, NotFoundError, ParametersError, HeaderError, ErasedError,
        JobsFullError, ForbiddenError, RemoteError, HostError, RateLimitedError,
        KeysUnavailableError,
    }
)  # fmt: skip
"""Problems that a route has only if it names them, and not because it has one of their status."""


def problems(*told: int | type[Exception]) -> dict[int | str, dict[str, Any]]:
    """The documentation of the problems a route may answer, an example of each type.

    A status stands for all problems that have it, those left out that a route names.
    """
    by_status: dict[int, list[Kind]] = {}
    for one in told:
        if isinstance(one, int):
            ours = [
                kind
                for key, kind in KINDS.items()
                if kind.status == one and not isinstance(key, int) and key not in NAMED_BY_ROUTES
            ]
            by_status.setdefault(one, []).extend(ours or [kind_of_status(one)])
        else:
            by_status.setdefault(KINDS[one].status, []).append(KINDS[one])
    documented: dict[int | str, dict[str, Any]] = {}
    for status, kinds in by_status.items():
        examples = {kind.name: {"value": _told(kind)} for kind in kinds}
        schema = {"$ref": "#/components/schemas/Problem"}
        documented[status] = {
            "description": " or ".join(kind.title for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
        }
        if status in {429, 503}:
            documented[status]["headers"] = {
                "Retry-After": {
                    "description": "seconds after which to try again",
                    "schema": {"type": "integer", "minimum": 1},
                }
            }
    return documented


def _told(kind: Kind) -> dict[str, JsonValue]:
    told: dict[str, JsonValue] = {"type": kind.type, "title": kind.title, "status": kind.status}
    if kind == KINDS[HeaderError]:
        return told | HEADER_FAULT
    return told | FAULT if kind.status == 422 else told
