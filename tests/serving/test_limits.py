import asyncio

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from data.schema import Ticket
from serving.limits import BodyLimit, check_many, check_one
from serving.settings import Settings


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await PlainTextResponse(str(length))(scope, receive, send)


@pytest.mark.parametrize(("length", "status"), [(0, 200), (9, 200), (10, 200), (11, 413)])
def test_the_limit_is_the_last_size_that_passes(length: int, status: int) -> None:
    response = TestClient(BodyLimit(reads_all, 10)).post("/", content=b"x" * length)
    assert response.status_code == status


@pytest.mark.parametrize("declared", ["-1", "ten", "1e9", "²", ""])
def test_a_length_that_is_no_number_does_not_hide_the_body(declared: str) -> None:
    received: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 11, "more_body": False}

    async def send(message: Message) -> None:
        received.append(message)

    headers = [(b"content-length", declared.encode())]
    scope = {"type": "http", "headers": headers, "path": "/", "method": "POST"}
    with pytest.raises(HTTPException) as caught:
        asyncio.run(BodyLimit(reads_all, 10)(scope, receive, send))
    assert caught.value.status_code == 413


def test_a_length_beyond_all_integers_is_too_large() -> None:
    response = TestClient(BodyLimit(reads_all, 10)).post(
        "/", content=b"", headers={"content-length": "9" * 5_000}
    )
    assert response.status_code == 413


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("size", [1, 3, 100], ids="in pieces of {}".format)
def test_json_in_another_encoding_is_refused_and_not_guessed(encoding: str, size: int) -> None:
    body = '{"text": "wifi"}'.encode(encoding)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "headers": [], "path": "/", "method": "POST"}
    with pytest.raises(HTTPException) as caught:
        asyncio.run(BodyLimit(reads_all, 1000)(scope, receive, send))
    assert caught.value.status_code == 400


@pytest.mark.parametrize("text", ["{}", "", "é", "\ufeff{}", '{"text": "\U0001f600"}', "1"])
def test_a_body_in_utf8_passes(text: str) -> None:
    body = text.encode()
    response = TestClient(BodyLimit(reads_all, 1000)).post("/", content=body)
    assert response.text == str(len(body))


def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> Message:
        return {}

    asyncio.run(BodyLimit(app, 10)({"type": "lifespan"}, nothing, nothing))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_tickets_within_the_limits_pass() -> None:
    settings = Settings.model_validate({"max_tickets": 2, "max_text": 3})
    check_one(Ticket(text="abc"), settings)
    check_many([Ticket(text="abc"), Ticket(text="a")], settings)


def test_each_limit_that_is_passed_is_an_error_of_its_own() -> None:
    settings = Settings.model_validate({"max_tickets": 2, "max_text": 3})
    tickets = [Ticket(text="abc"), Ticket(text="abcd"), Ticket(text="abcde")]
    with pytest.raises(RequestValidationError) as caught:
        check_many(tickets, settings)
    assert [error["loc"] for error in caught.value.errors()] == [
        ("body", "tickets"),
        ("body", "tickets", 1, "text"),
        ("body", "tickets", 2, "text"),
    ]
