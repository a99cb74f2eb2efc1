import asyncio
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from serving.bench import identity
from serving.bench.identity import START, deaf, layers, measure, mute, nothing
from serving.identity import Identity


def test_every_way_to_ask_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "NEW", 5)
    found = measure(tmp_path, requests=20, rounds=2)
    assert list(found) == [
        "no layers", "key", "token RS256, seen before", "token ES256, seen before",
        "token RS256, new", "token ES256, new",
    ]  # fmt: skip
    assert all(micros > 0 for micros in found.values())


def test_what_is_measured_is_let_through(tmp_path: Path) -> None:
    asked: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["user"].name)
        await nothing(scope, receive, send)

    wrapped = layers(app, Identity(open_here=True))
    scope = {"type": "http", "path": "/v1/predict", "headers": [], "client": ("127.0.0.1", 1)}
    answers: list[Message] = []

    async def keep(message: Message) -> None:
        answers.append(message)
        await deaf(message)

    asyncio.run(wrapped(scope, mute, keep))
    assert asked == [""]
    assert answers[0]["status"] == 200
    assert answers[0]["headers"] != START["headers"]
    assert START["headers"] == [(b"content-type", b"text/plain")]
