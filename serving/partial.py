"""Several tickets, each answered or refused for itself.

A batch is refused whole by default, because a caller who overlooks one refusal among hundreds has
lost a ticket. Who asks for parts gets, in order and for every ticket, its prediction or its
problem; a job does the same for each line of its file.
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

from fastapi.exceptions import RequestValidationError
from pydantic import Field, GetCoreSchemaHandler, JsonValue, ValidationError
from pydantic_core import CoreSchema, core_schema

from data.schema import Record, Ticket
from serving.contract import Batch
from serving.each import ANSWERED, REFUSED, Answer, Answered, answer_each, read_ticket
from serving.limits import check_many, check_size
from serving.problems import Problem
from serving.settings import Settings


class PartialBatch(Record):
    """One answer per ticket, in the order of the tickets."""

    answers: tuple[Answered, ...]
    errors: int = Field(ge=0, description="how many of them are problems")


PARTIAL_BATCH: dict[str, JsonValue] = {"answers": [ANSWERED, REFUSED], "errors": 1}
"""The answer of the documentation, to a batch whose second ticket has no text."""


class PostedBatch:
    """A batch as it was sent, valid or not; documented as the `Batch` it should be.

    A body parameter of this type lets a route see the query before it refuses.
    """

    def __init__(self, value: object, batch: Batch | None, errors: list[dict[str, Any]]) -> None:
        self._value = value
        self._batch = batch
        self._errors = errors

    def whole(self, settings: Settings) -> tuple[Ticket, ...]:
        """All tickets.

        Raises
        ------
        RequestValidationError
            If any ticket is not valid, or the batch is empty or too large.
        """
        if self._batch is None:
            raise RequestValidationError(self._errors)
        check_many(self._batch.tickets, settings)
        return self._batch.tickets

    def each(self, settings: Settings) -> list[Ticket | Problem]:
        """Every ticket, or what is wrong with it, in order.

        Raises
        ------
        RequestValidationError
            If the batch itself is not valid: no list of tickets, empty, too large, or with fields
            that nobody knows.
        """
        tickets = self._value.get("tickets") if isinstance(self._value, Mapping) else None
        about_the_batch = [error for error in self._errors if len(error["loc"]) < 3]
        if about_the_batch or not isinstance(tickets, list):
            raise RequestValidationError(about_the_batch or self._errors)
        check_size(len(tickets), settings)
        return [read_ticket(value, index, settings) for index, value in enumerate(tickets)]

    @classmethod
    def _read(cls, value: object, validate: Callable[[object], Batch]) -> Self:
        try:
            return cls(value, validate(value), [])
        except ValidationError as error:
            found = error.errors(include_url=False)
            return cls(value, None, [{**item, "loc": ("body", *item["loc"])} for item in found])

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(cls._read, handler(Batch))


async def answer_partially(posted: PostedBatch, settings: Settings, answer: Answer) -> PartialBatch:
    """What `POST /v1/predict/batch?partial=true` tells.

    Raises
    ------
    RequestValidationError
        If the batch itself is not valid.
    ServingError
        What concerns all tickets.
    """
    answers = await answer_each(posted.each(settings), answer)
    return PartialBatch(
        answers=tuple(answers), errors=sum(item.problem is not None for item in answers)
    )
