"""What is wrong with a request, told by its place and rule and never by what was sent."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

MAX_ERRORS = 50
"""Validation errors told in one problem; `error_count` tells how many there were."""

TOLD_AS_THEY_ARE = frozenset(
    {
        "missing", "string_type", "string_too_short", "string_too_long", "string_unicode",
        "string_pattern_mismatch", "too_short", "too_long", "list_type", "tuple_type", "dict_type",
        "model_type", "model_attributes_type", "bool_type", "bool_parsing", "int_type",
        "int_parsing", "float_type", "float_parsing", "greater_than", "greater_than_equal",
        "less_than", "less_than_equal", "literal_error", "enum", "datetime_type",
        "datetime_parsing", "datetime_from_date_parsing", "timezone_aware",
        "label_not_asked", "target_not_answered", "keys_differ", "cursor", "unknown_arm",
    }
)  # fmt: skip
"""Error types of pydantic and of ours whose messages never hold what was sent."""

Place = tuple[str | int, ...]
"""Where a fault lies: `body`, `header`, `query` or `path`, then the way from there."""


class InvalidField(BaseModel):
    """One thing wrong with the request, named by its place and never by its value."""

    model_config = ConfigDict(frozen=True)

    pointer: str = Field(
        description="JSON pointer into the body, as a URI fragment; by name into the parameters "
        "where the problem is of type `parameters`, into the headers where it is `invalid-header`",
        examples=["#/tickets/3/text"],
    )
    message: str = Field(examples=["String should have at least 1 character"])
    type: str = Field(description="stable name of the rule", examples=["string_too_short"])


def fault(rule: str, place: Place, message: str) -> dict[str, Any]:
    """One thing wrong with a request, as pydantic would tell it."""
    return {"type": rule, "loc": place, "msg": message}


def refusal(rule: str, place: Place, message: str) -> RequestValidationError:
    """The one thing wrong with a request, to be raised."""
    return RequestValidationError([fault(rule, place, message)])


def invalid_fields(errors: Iterable[Mapping[str, Any]]) -> list[InvalidField]:
    """pydantic's errors with their place, rule and message, and nothing that was sent.

    The name of an unknown field is the client's own writing, so such an error points at the object
    that holds the field.
    """
    fields: dict[InvalidField, None] = {}
    for error in errors:
        kind, *place = error["loc"]
        rule = str(error["type"])
        if kind == "header":
            place = [header_name(str(place[0]))]
        if rule == "extra_forbidden":
            place, message = place[:-1], "There is a field here that this address does not know"
        else:
            message = str(error["msg"]) if rule in TOLD_AS_THEY_ARE else "The value is not valid"
        pointer = "".join(f"/{part}" for part in place)
        fields[InvalidField(pointer=f"#{pointer}", message=message, type=rule)] = None
    return list(fields)


def header_name(name: str) -> str:
    """A header as it is documented, however it was written: `X-Arm`."""
    return "-".join(part.capitalize() for part in name.split("-"))


def told_invalid(errors: Iterable[Mapping[str, Any]], what: str = "field") -> dict[str, Any]:
    """What a `Problem` says of pydantic's errors: how many there are, and the first of them."""
    fields = invalid_fields(errors)
    return {
        "detail": f"{len(fields)} {what}{' is' if len(fields) == 1 else 's are'} not valid",
        "errors": tuple(fields[:MAX_ERRORS]),
        "error_count": len(fields),
    }
