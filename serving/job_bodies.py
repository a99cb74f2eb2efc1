"""The two bodies a job may be sent as: lines, streamed to disk, or a JSON list of tickets."""

import asyncio
import json

from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.faults import refusal
from serving.job_upload import Incoming
from serving.limits import BodyLimit, media_type_of
from serving.settings import Settings

PATH = "/v1/jobs"
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
ROUGHLY = 1 << 20
"""Bytes that are gathered before they are written, and read before they are sent."""


class BodyLimits:
    """The body limit of all addresses, and the larger one of a file sent as a job."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._bodies = BodyLimit(app, settings.max_body_bytes)
        self._files = BodyLimit(app, settings.max_job_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_file = (
            scope["type"] == "http"
            and scope["path"] == PATH
            and media_type_of(Headers(scope=scope).get("content-type", "")) in LINES
        )
        await (self._files if is_file else self._bodies)(scope, receive, send)


async def receive_lines(request: Request, incoming: Incoming) -> None:
    """Write a body of lines to disk as it comes, beside the event loop.

    Raises
    ------
    LineTooLongError
        If a line is longer than a ticket may be.
    """
    gathered = bytearray()
    async for chunk in request.stream():
        gathered += chunk
        if len(gathered) >= ROUGHLY:
            await asyncio.to_thread(incoming.feed, bytes(gathered))
            gathered.clear()
    await asyncio.to_thread(incoming.feed, bytes(gathered))


def as_lines(body: bytes) -> bytes:
    """The tickets of a JSON body as lines, each as it was sent, valid or not.

    Raises
    ------
    HTTPException
        400, if it is not JSON.
    RequestValidationError
        If it is no list of tickets under `tickets`.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400) from None
    if not isinstance(value, dict):
        raise refusal("dict_type", ("body",), "Input should be a valid dictionary")
    if value.keys() - {"tickets"}:
        raise refusal("extra_forbidden", ("body", "-"), "")
    if "tickets" not in value:
        raise refusal("missing", ("body", "tickets"), "Field required")
    if not isinstance(value["tickets"], list):
        raise refusal("list_type", ("body", "tickets"), "Input should be a valid list")
    return b"".join(json.dumps(ticket).encode() + b"\n" for ticket in value["tickets"])
