"""What one request may ask for, beyond what the records themselves allow.

The numbers are settings, so they cannot stand in the record types.
"""

from collections.abc import Sequence

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.schema import Ticket
from serving.faults import fault
from serving.problems import KINDS, problem_response
from serving.settings import Settings

HEAD = 4
"""Bytes that tell UTF-16 and UTF-32 from UTF-8, RFC 4627 section 3."""


class BodyLimit:
    """Refuses bodies above a size with 413: at once where the size is declared, else as it comes.

    And bodies in UTF-16 or UTF-32 with 400: JSON between systems is UTF-8 (RFC 8259 section 8.1),
    while Python's reader would guess and read them.

    Not FastAPI's own `max_body_size`, which answers a declared size in plain text and steers by an
    exception that passes through every layer.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self.max_bytes:
            detail = f"at most {self.max_bytes} bytes are read"
            await problem_response(KINDS[413], detail)(scope, receive, send)
            return
        received, head = 0, b""

        async def counted() -> Message:
            nonlocal received, head
            message = await receive()
            if message["type"] == "http.request":
                body = message.get("body", b"")
                received += len(body)
                if received > self.max_bytes:
                    raise HTTPException(413)
                if len(head) < HEAD:
                    head += body[:HEAD]
                    if is_wide(head):
                        raise HTTPException(400)
            return message

        await self.app(scope, counted, send)


def is_wide(head: bytes) -> bool:
    """Whether text that begins so is in UTF-16 or UTF-32, with a byte order mark or without."""
    return b"\0" in head[:HEAD] or head.startswith((b"\xff", b"\xfe"))


def media_type_of(claimed: str) -> str:
    """A content-type without its parameters."""
    return claimed.partition(";")[0].strip().lower()


async def require_json(request: Request) -> None:
    """Refuse a body that does not claim to be JSON; asynchronous, or each request changed threads.

    Raises
    ------
    HTTPException
        415, with the accepted type.
    """
    claimed = media_type_of(request.headers.get("content-type", ""))
    if claimed != "application/json" and not (
        claimed.startswith("application/") and claimed.endswith("+json")
    ):
        raise HTTPException(415, headers={"accept": "application/json"})


def check_one(ticket: Ticket, settings: Settings) -> None:
    """Refuse a ticket longer than this installation reads.

    Raises
    ------
    RequestValidationError
    """
    _refuse(too_long(ticket, settings, ("body",)))


def check_nested(ticket: Ticket, settings: Settings) -> None:
    """As `check_one`, for a ticket under the key `ticket` of the body.

    Raises
    ------
    RequestValidationError
    """
    _refuse(too_long(ticket, settings, ("body", "ticket")))


def check_many(tickets: Sequence[Ticket], settings: Settings) -> None:
    """Refuse a batch with no or too many tickets, or with one too long, named by its index.

    Raises
    ------
    RequestValidationError
    """
    errors = _wrong_size(len(tickets), settings)
    for index, ticket in enumerate(tickets):
        errors += too_long(ticket, settings, ("body", "tickets", index))
    _refuse(errors)


def check_size(tickets: int, settings: Settings) -> None:
    """Refuse a batch with no or too many tickets.

    Raises
    ------
    RequestValidationError
    """
    _refuse(_wrong_size(tickets, settings))


def _wrong_size(tickets: int, settings: Settings) -> list[dict[str, object]]:
    errors: list[dict[str, object]] = []
    if not tickets:
        message = "A batch should have at least 1 ticket"
        errors.append(fault("too_short", ("body", "tickets"), message))
    if tickets > settings.max_tickets:
        message = f"A batch should have at most {settings.max_tickets} tickets"
        errors.append(fault("too_long", ("body", "tickets"), message))
    return errors


def too_long(
    ticket: Ticket, settings: Settings, place: tuple[str | int, ...]
) -> list[dict[str, object]]:
    """The error of a ticket longer than this installation reads; none where it is not."""
    if len(ticket.text) <= settings.max_text:
        return []
    message = f"String should have at most {settings.max_text} characters"
    return [fault("string_too_long", (*place, "text"), message)]


def _refuse(errors: list[dict[str, object]]) -> None:
    if errors:
        raise RequestValidationError(errors)
