"""Tickets of one request, each answered or refused for itself, in order."""

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from fastapi.exceptions import RequestValidationError
from pydantic import Field, JsonValue, ValidationError, model_validator

from data.log_lines import anonymous_traceback
from data.schema import Prediction, Record, Ticket
from serving.examples import PREDICTION
from serving.faults import fault, invalid_fields, told_invalid
from serving.limits import too_long
from serving.problems import KINDS, Problem, ServingError, erased_problem
from serving.settings import Settings

logger = logging.getLogger(__name__)

Answer = Callable[[tuple[Ticket, ...]], Awaitable[Sequence[Prediction]]]
"""Gives one prediction per ticket, in order; a ServingError concerns all of them."""


class Answered(Record):
    """What became of one ticket: its prediction or its problem, never both."""

    index: int = Field(ge=0, description="place among the tickets sent, from 0")
    prediction: Prediction | None = None
    problem: Problem | None = Field(
        default=None, description="why there is no prediction; pointers begin at the whole body"
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.prediction is None) == (self.problem is None):
            raise ValueError("either a prediction or a problem")
        return self


PROBLEM: dict[str, JsonValue] = {
    "type": KINDS[RequestValidationError].type,
    "title": KINDS[RequestValidationError].title,
    "status": 422,
    "detail": "1 field is not valid",
    "instance": None,
    "errors": [
        {
            "pointer": "#/tickets/1/text",
            "message": "String should have at least 1 character",
            "type": "string_too_short",
        }
    ],
    "error_count": 1,
}
ANSWERED: dict[str, JsonValue] = {"index": 0, "prediction": PREDICTION, "problem": None}
REFUSED: dict[str, JsonValue] = {"index": 1, "prediction": None, "problem": PROBLEM}


def read_ticket(value: object, index: int, settings: Settings) -> Ticket | Problem:
    """The ticket that a value is, or the problem it has at its place."""
    place = ("body", "tickets", index)
    try:
        ticket = Ticket.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return _invalid([{**item, "loc": (*place, *item["loc"])} for item in found])
    errors = too_long(ticket, settings, place)
    return _invalid(errors) if errors else ticket


def read_line(line: bytes, index: int, settings: Settings) -> Ticket | Problem:
    """The ticket that stands in a line of JSON, or the problem it has at its place.

    A blank line is one whose ticket was erased: none is sent.
    """
    if not line.strip():
        return erased_problem()
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        kind = KINDS[400]
        return Problem(
            type=kind.type, title=kind.title, status=kind.status,
            errors=invalid_fields([fault("json_invalid", ("body", "tickets", index), "")]),
            error_count=1,
        )  # fmt: skip
    return read_ticket(value, index, settings)


async def answer_each(
    read: Sequence[Ticket | Problem], answer: Answer, start: int = 0
) -> list[Answered]:
    """The prediction or the problem of each, in order.

    Tickets go through the encoder together; if that breaks, each goes alone, so that only the one
    that breaks it is told as a problem. `start` is the index of the first.

    Raises
    ------
    ServingError, RequestValidationError
        What concerns all tickets: not ready, overloaded, too late, an arm that there is not.
    """
    tickets = tuple(item for item in read if isinstance(item, Ticket))
    found = iter(await _try_all(tickets, answer))
    given = [item if isinstance(item, Problem) else next(found) for item in read]
    return [
        Answered(index=index, problem=item)
        if isinstance(item, Problem)
        else Answered(index=index, prediction=item)
        for index, item in enumerate(given, start)
    ]


async def _try_all(tickets: tuple[Ticket, ...], answer: Answer) -> Sequence[Prediction | Problem]:
    if not tickets:
        return ()
    found = (await asyncio.gather(_ask(answer, tickets), return_exceptions=True))[0]
    if not isinstance(found, BaseException):
        return found
    if isinstance(found, ServingError | RequestValidationError) or not isinstance(found, Exception):
        raise found
    if len(tickets) > 1:
        return [given for one in tickets for given in await _try_all((one,), answer)]
    incident = f"urn:uuid:{uuid.uuid4()}"
    logger.error("a ticket was not answered %s\n%s", incident, anonymous_traceback(found))
    kind = KINDS[500]
    return [Problem(type=kind.type, title=kind.title, status=kind.status, instance=incident)]


async def _ask(answer: Answer, tickets: tuple[Ticket, ...]) -> Sequence[Prediction]:
    return await answer(tickets)


def _invalid(errors: Iterable[Mapping[str, Any]]) -> Problem:
    kind = KINDS[RequestValidationError]
    return Problem(type=kind.type, title=kind.title, status=kind.status, **told_invalid(errors))
