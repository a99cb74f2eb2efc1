"""Every error a client can meet, as RFC 9457 problem+json, from one table.

No problem repeats what the client sent: tickets are personal, and error bodies end up in logs,
trackers and screenshots. Statuses live here and nowhere else; lower layers raise what they mean.
"""

import http.client
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from data.errors import ConflictError, NoMemoryError, StoreError, TicketAssistantError
from serving.faults import MAX_ERRORS, InvalidField, told_invalid

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STORE_RETRY_AFTER = "5"
"""Seconds after which to ask again when the store did not answer."""


class ServingError(TicketAssistantError):
    """The service cannot answer this request now; nothing is wrong with the request."""

    retry_after: float | None = None
    """Seconds after which trying again makes sense."""


class NotReadyError(ServingError):
    """No bundle is loaded; the message says why."""

    retry_after = 5.0


class OverloadedError(ServingError):
    """More tickets wait than may wait: come back after `retry_after` seconds."""

    def __init__(self, waiting: int, limit: int, retry_after: float) -> None:
        super().__init__(f"{waiting} tickets are waiting and at most {limit} may")
        self.retry_after = retry_after


class ClientOverloadedError(ServingError):
    """More tickets of one client wait than may: it is to wait for some of its answers."""

    retry_after = 1.0

    def __init__(self, waiting: int, limit: int) -> None:
        super().__init__(f"{waiting} of your tickets are waiting and at most {limit} may")


class DeadlineError(ServingError):
    """The answer was not there in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} seconds")
        self.retry_after = 1.0


class JobsFullError(ServingError):
    """As many jobs wait or run as may: come back when one of them has ended."""

    retry_after = 30.0

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} jobs are not finished, and no more may wait")


class JobNotFinishedError(ServingError):
    """The job has no result yet."""

    retry_after = 5.0

    def __init__(self, state: str, done: int, tickets: int) -> None:
        super().__init__(f"the job is {state}: {done} of {tickets} tickets are answered")


class KeysUnavailableError(ServingError):
    """The issuer's keys are not known, so no token can be checked."""

    retry_after = 5.0


class ForbiddenError(Exception):
    """Stands in the table for a caller who is known and may not do this."""


class RateLimitedError(ServingError):
    """A caller asked more often, or about more tickets, than agreed."""

    def __init__(self, limit: int, what: str, seconds: int, retry_after: float) -> None:
        super().__init__(f"at most {limit} {what} in {seconds} seconds")
        self.retry_after = retry_after


class RemoteError(Exception):
    """Stands in the table for a caller on another machine, in the development profile."""


class HostError(Exception):
    """Stands in the table for a host name that is not this service's."""


class WireError(Exception):
    """Stands in the table for bytes that are no request."""


class NotFoundError(TicketAssistantError):
    """Nothing is kept under this id: it was never stored, or was erased."""


class ParametersError(Exception):
    """Stands in the table for a RequestValidationError about the address and not the body."""


class HeaderError(Exception):
    """Stands in the table for a RequestValidationError about a header and not the body."""


class ErasedError(Exception):
    """Stands in the table for a ticket of a job that was erased before its answer was fetched."""


class Problem(BaseModel):
    """An error as RFC 9457 describes it; `type` is stable and made to be compared."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(examples=["urn:ticket-assistant:problem:validation"])
    title: str = Field(examples=["The request body is not valid"])
    status: int = Field(ge=400, le=599, examples=[422])
    detail: str | None = Field(default=None, examples=["1 field is not valid"])
    instance: str | None = Field(
        default=None, description="names this occurrence; the log line of an error 500 carries it"
    )
    errors: tuple[InvalidField, ...] | None = Field(
        default=None, description=f"what is wrong with the body; at most {MAX_ERRORS}"
    )
    error_count: int | None = Field(default=None, description="how many errors there were in all")


@dataclass(frozen=True)
class Kind:
    """What all problems of one type have in common."""

    status: int
    name: str
    title: str

    @property
    def type(self) -> str:
        return f"urn:ticket-assistant:problem:{self.name}"


KINDS: dict[int | type[Exception], Kind] = {
    400: Kind(400, "malformed", "The request body is not JSON"),
    401: Kind(401, "unauthenticated", "It is not known who asks"),
    403: Kind(403, "forbidden", "You may not do this"),
    404: Kind(404, "not-found", "There is nothing at this address"),
    405: Kind(405, "method", "This address does not answer this method"),
    408: Kind(408, "slow", "The request did not come in time"),
    413: Kind(413, "too-large", "The request body is too large"),
    415: Kind(415, "media-type", "The request body must be application/json"),
    429: Kind(429, "too-many-requests", "Too many requests at once"),
    431: Kind(431, "head-too-large", "The request line and headers are too large"),
    500: Kind(500, "internal", "Something went wrong on our side"),
    503: Kind(503, "unavailable", "The service cannot answer now"),
    504: Kind(504, "deadline", "The answer took too long"),
    ForbiddenError: Kind(403, "forbidden", "You may not do this"),
    RemoteError: Kind(403, "development", "Only this machine is answered"),
    HostError: Kind(421, "host", "This is not the host that was asked for"),
    WireError: Kind(400, "not-http", "The request is not HTTP"),
    KeysUnavailableError: Kind(503, "issuer", "Tokens cannot be checked now"),
    RateLimitedError: Kind(429, "rate-limited", "Asked more often than agreed"),
    RequestValidationError: Kind(422, "validation", "The request body is not valid"),
    ParametersError: Kind(422, "parameters", "A parameter of the address is not valid"),
    HeaderError: Kind(422, "invalid-header", "A header of the request is not valid"),
    ErasedError: Kind(410, "erased", "The ticket was erased"),
    NoMemoryError: Kind(404, "no-memory", "The model keeps no past tickets"),
    NotFoundError: Kind(404, "unknown-id", "Nothing is kept under this id"),
    ConflictError: Kind(409, "conflict", "The key was used before, for something else"),
    StoreError: Kind(503, "store", "The store cannot be reached"),
    NotReadyError: Kind(503, "not-ready", "No model is loaded"),
    OverloadedError: Kind(503, "overloaded", "Too many tickets are waiting"),
    ClientOverloadedError: Kind(429, "too-many-requests", "Too many requests at once"),
    DeadlineError: Kind(504, "deadline", "The answer took too long"),
    JobsFullError: Kind(429, "jobs-full", "Too many jobs are not finished"),
    JobNotFinishedError: Kind(409, "job-not-finished", "The job is not finished"),
}
"""The one table: an exception of ours, or a status decided by the framework -> what is told."""


def problem_response(
    kind: Kind, detail: str | None = None, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The problem as a response; `more` are further members of `Problem`."""
    problem = Problem(type=kind.type, title=kind.title, status=kind.status, detail=detail, **more)
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=kind.status,
        headers={"cache-control": "no-store", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def erased_problem() -> Problem:
    """What stands for a ticket of a job, or its answer, that was erased."""
    kind = KINDS[ErasedError]
    return Problem(type=kind.type, title=kind.title, status=kind.status)


def kind_of_status(status: int) -> Kind:
    """The table's entry for a status that something below us decided."""
    if status in KINDS:
        return KINDS[status]
    return Kind(status, f"http-{status}", http.client.responses.get(status, "Error"))


_PLACES: tuple[tuple[frozenset[str], type[Exception], str], ...] = (
    (frozenset({"path", "query"}), ParametersError, "parameter"),
    (frozenset({"header"}), HeaderError, "header"),
    (frozenset({"body"}), RequestValidationError, "field"),
)


async def tell_invalid(_: Request, error: Exception) -> Response:
    """400 for a body that is not JSON; 422 for a body, parameters or headers that fit no schema.

    Of several places that are at fault the outermost is told alone: pointers begin at one of them.
    """
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem_response(KINDS[400])
    for places, kind, what in _PLACES:
        if here := [item for item in found if item["loc"][0] in places]:
            return problem_response(KINDS[kind], **told_invalid(here, what))
    raise AssertionError("a fault lies in the address, a header or the body")


async def tell_serving_error(_: Request, error: Exception) -> Response:
    """503 or 504, with the moment to come back."""
    assert isinstance(error, ServingError)
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    return problem_response(KINDS[type(error)], str(error), headers)


async def tell_no_memory(_: Request, error: Exception) -> Response:
    """404: what is asked for is not in this bundle."""
    return problem_response(KINDS[NoMemoryError], "the bundle was sealed without past tickets")


async def tell_not_found(_: Request, error: Exception) -> Response:
    """404: the id is known to nobody."""
    return problem_response(KINDS[NotFoundError], str(error))


async def tell_conflict(_: Request, error: Exception) -> Response:
    """409: a new key is needed."""
    return problem_response(KINDS[ConflictError], str(error))


async def tell_store_error(_: Request, error: Exception) -> Response:
    """503; the message is for the log, as it may name what only an operator should know."""
    logger.warning("the store did not answer a request: %s", error)
    return problem_response(KINDS[StoreError], None, {"retry-after": STORE_RETRY_AFTER})


async def tell_status(_: Request, error: Exception) -> Response:
    """A status the framework or a route decided; its free text is left out."""
    assert isinstance(error, HTTPException)
    return problem_response(kind_of_status(error.status_code), headers=error.headers)


def install(app: FastAPI) -> None:
    """Make `app` answer every exception with a problem."""
    app.add_exception_handler(RequestValidationError, tell_invalid)
    app.add_exception_handler(HTTPException, tell_status)
    app.add_exception_handler(ServingError, tell_serving_error)
    app.add_exception_handler(NoMemoryError, tell_no_memory)
    app.add_exception_handler(NotFoundError, tell_not_found)
    app.add_exception_handler(ConflictError, tell_conflict)
    app.add_exception_handler(StoreError, tell_store_error)
