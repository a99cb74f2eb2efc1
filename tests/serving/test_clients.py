"""One client may fill its part of the queue, and is told so without a word about others."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from serving.assistants import Assistants
from serving.clients import Clients
from serving.problems import ClientOverloadedError
from serving.settings import Settings
from tests.serving.fakes import MakeApp, MemoryStore, RuleAssistant


class Elsewhere:
    """Tells the app that requests come from the address in a header."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for name, value in scope.get("headers", ()):
            if name == b"x-from":
                scope["client"] = (value.decode(), 4711)
        await self.app(scope, receive, send)


@contextmanager
def queued(client: TestClient, rule: RuleAssistant, tickets: int, at: str) -> Iterator[list[int]]:
    """While so many tickets of a client wait; the status of its answer afterwards."""
    statuses: list[int] = []

    def ask() -> None:
        batch = {"tickets": [{"text": "a"}] * tickets}
        answer = client.post("/v1/predict/batch", json=batch, headers={"x-from": at})
        statuses.append(answer.status_code)

    rule.gate.clear()
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        assert rule.asked.wait(5)
        yield statuses
    finally:
        rule.gate.set()
        thread.join()


@pytest.fixture
def client(make_app: MakeApp, assistants: Assistants, store: MemoryStore) -> Iterator[TestClient]:
    store.publish()
    assistants.refresh()
    app = make_app(max_tickets=4, max_waiting=100, max_waiting_per_client=4)
    with TestClient(Elsewhere(app)) as client:
        yield client


def test_a_client_over_its_limit_gets_429_and_others_are_answered(
    client: TestClient, rule: RuleAssistant
) -> None:
    asks: list[tuple[str, dict[str, object]]] = [
        ("/v1/predict", {"text": "a"}),
        ("/v1/similar", {"ticket": {"text": "a"}, "k": 1}),
        ("/v1/predict/batch", {"tickets": [{"text": "a"}] * 2}),
        ("/v1/predict/batch?partial=true", {"tickets": [{"text": "a"}] * 2}),
    ]
    with queued(client, rule, 4, "127.0.0.1") as statuses:
        for path, body in asks:
            response = client.post(path, json=body, headers={"x-from": "127.0.0.1"})
            assert response.status_code == 429
            assert response.headers["content-type"] == "application/problem+json"
            assert int(response.headers["retry-after"]) >= 1
            told = response.json()
            assert told["type"] == "urn:ticket-assistant:problem:too-many-requests"
            assert told["detail"] == "4 of your tickets are waiting and at most 4 may"
        rule.gate.set()
        for path, body in asks:
            other = client.post(path, json=body, headers={"x-from": "127.0.0.2"})
            assert other.status_code == 200
    assert statuses == [200]
    for path, body in asks:
        again = client.post(path, json=body, headers={"x-from": "127.0.0.1"})
        assert again.status_code == 200, "what was answered does not count any more"


def test_clients_are_counted_apart_exactly_and_forgotten() -> None:
    clients = Clients(3)
    with ExitStack() as waiting:
        waiting.enter_context(clients.admitted("a", 2))
        waiting.enter_context(clients.admitted("b", 3))
        waiting.enter_context(clients.admitted("a", 1))
        for client in "ab":
            with (
                pytest.raises(ClientOverloadedError, match="3 of your"),
                clients.admitted(client, 1),
            ):
                pass
        with pytest.raises(ClientOverloadedError, match="0 of your"), clients.admitted("c", 4):
            pass
        assert len(clients) == 2
    assert len(clients) == 0


def test_a_request_that_fails_counts_no_more() -> None:
    clients = Clients(1)
    for _ in range(3):
        with pytest.raises(ArithmeticError), clients.admitted("a", 1):
            raise ArithmeticError
    assert len(clients) == 0


def test_without_a_limit_nobody_is_counted() -> None:
    clients = Clients(None)
    with clients.admitted("a", 10_000), clients.admitted("a", 10_000):
        assert len(clients) == 0


def test_the_document_tells_of_the_limit(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/v1/predict", "/v1/predict/batch", "/v1/similar"):
        told = paths[path]["post"]["responses"]["429"]
        assert set(told["content"]["application/problem+json"]["examples"]) == {"too-many-requests"}
        assert told["headers"]["Retry-After"]["schema"]["minimum"] == 1


def test_a_limit_below_a_full_batch_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_waiting_per_client"):
        Settings.model_validate({"max_tickets": 4, "max_waiting_per_client": 3})
