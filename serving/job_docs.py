"""What the OpenAPI document says of jobs beyond the types of their routes."""

import json
from typing import Any

from serving.examples import OTHER_TICKET, TICKET
from serving.problems import KINDS, MEDIA_TYPE

RETRY_AFTER = {
    "Retry-After": {
        "description": "seconds after which to try again",
        "schema": {"type": "integer", "minimum": 1},
    }
}

SUBMIT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": {
                    "type": "string",
                    "description": "one ticket a line, as JSON; streamed to disk, so that a file "
                    "may be far larger than a JSON body",
                },
                "example": f"{json.dumps(TICKET)}\n{json.dumps(OTHER_TICKET)}\n",
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "tickets": {
                            "type": "array",
                            "minItems": 1,
                            "items": {},
                            "description": "as those of `Batch`; one that is not valid is told as "
                            "a problem in its place",
                        }
                    },
                    "required": ["tickets"],
                    "additionalProperties": False,
                },
                "example": {"tickets": [TICKET, OTHER_TICKET]},
            },
        },
    }
}
"""The body of `POST /v1/jobs`, which no parameter describes because it is never held as a whole."""


def problem_docs(*keys: int | type[Exception]) -> dict[int | str, dict[str, Any]]:
    """The documentation of exactly these problems."""
    kinds = [KINDS[key] for key in keys]
    documented: dict[int | str, dict[str, Any]] = {}
    for status in dict.fromkeys(kind.status for kind in kinds):
        ours = [kind for kind in kinds if kind.status == status]
        told = {
            kind.name: {"value": {"type": kind.type, "title": kind.title, "status": kind.status}}
            for kind in ours
        }
        documented[status] = {
            "description": " or ".join(kind.title for kind in ours),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": told,
                }
            },
        }
        if status in {409, 429, 503}:
            documented[status]["headers"] = RETRY_AFTER
    return documented
