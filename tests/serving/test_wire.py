"""Heads too long, senders too slow and more connections than there is room for, on real sockets."""

import asyncio
import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import uvicorn
from uvicorn.config import HTTP_PROTOCOLS

from serving import wire
from serving.problems import MEDIA_TYPE
from serving.wire import BoundedProtocol, Bounds
from tests.conftest import ROOT

GOOD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nwifi"


class Served:
    """An application that echoes, behind the protocol, in a thread."""

    def __init__(self) -> None:
        self.asked = 0
        config = uvicorn.Config(
            self.app,
            port=0,
            http=BoundedProtocol,
            log_config=None,
            lifespan="off",
            interface="asgi3",
        )
        self.server = uvicorn.Server(config)
        self.socket = config.bind_socket()
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(
            target=lambda: asyncio.run(self.server.serve([self.socket])), daemon=True
        )

    async def app(self, scope, receive, send) -> None:
        self.asked += 1
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        length = str(len(body)).encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
        )
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(BoundedProtocol, "bounds", Bounds(2_000, 20, 0.5, 100, connections=5))
    monkeypatch.setattr(BoundedProtocol, "unfinished", {})
    one = Served()
    one.thread.start()
    while not one.server.started:
        time.sleep(0.01)
    yield one
    one.server.should_exit = True
    one.thread.join(10)


def connect(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=5)


def read(connection: socket.socket) -> bytes:
    """All until the server hangs up."""
    told = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            told += piece
    return told


def receive(connection: socket.socket, answers: int = 1) -> None:
    """Read so many answers to GOOD."""
    told = b""
    while told.count(b"wifi") < answers:
        piece = connection.recv(4096)
        assert piece, told
        told += piece


def ask(served: Served, content: bytes) -> bytes:
    with connect(served) as connection:
        with suppress(OSError):
            connection.sendall(content)
        return read(connection)


def problem(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"content-type: {MEDIA_TYPE}".encode() in head
    assert b"connection: close" in head
    assert b"x-content-type-options: nosniff" in head
    told = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % told["status"])
    return told


def test_requests_within_the_bounds_are_answered_one_after_the_other(served: Served) -> None:
    with connect(served) as connection:
        for _ in range(3):
            connection.sendall(GOOD)
            receive(connection)
        connection.sendall(GOOD + GOOD)
        receive(connection, answers=2)
    assert served.asked == 5
    while BoundedProtocol.unfinished:
        time.sleep(0.01)


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"v" * 3_000 + b"\r\n",
        b"X-Long: " + b"v" * 3_000_000 + b"\r\n",
        b"".join(b"X-%d: 1\r\n" % i for i in range(30)),
    ],
    ids=["a long one", "a very long one", "many"],
)
def test_headers_beyond_the_bounds_are_refused_before_the_application_is_asked(
    served: Served, head: bytes
) -> None:
    answer = ask(served, b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
    assert problem(answer)["status"] == 431
    assert served.asked == 0


def test_an_address_beyond_the_bounds_is_refused(served: Served) -> None:
    assert problem(ask(served, b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n\r\n"))["status"] == 431


def test_a_head_without_an_end_is_refused_while_it_still_comes(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"v" * 3_000)
        assert problem(read(connection))["status"] == 431


@pytest.mark.parametrize(
    "body",
    [b"4\r\nwifi\r\n0\r\n" + b"X-T: 1\r\n" * 1_000, b"4;" + b"x" * 5_000],
    ids=["trailers", "an extension"],
)
def test_what_is_wrapped_around_a_body_is_bounded_too(served: Served, body: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(served) as connection:
        connection.sendall(head)
        time.sleep(0.1)
        connection.sendall(body)
        assert problem(read(connection))["status"] == 431


def test_a_body_in_chunks_of_a_byte_is_no_flood(served: Served) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(served) as connection:
        connection.sendall(head)
        time.sleep(0.1)
        connection.sendall(b"1\r\na\r\n" * 1_000 + b"4\r\nwifi\r\n0\r\n\r\n")
        receive(connection)


def test_what_is_no_http_is_refused_as_a_problem(served: Served) -> None:
    assert problem(ask(served, b"\x16\x03\x01\x02\x00"))["type"].endswith(":not-http")


def test_a_head_that_does_not_end_is_told_so(served: Served) -> None:
    with connect(served) as connection:
        began = time.monotonic()
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert problem(read(connection))["status"] == 408
        assert time.monotonic() - began >= 0.4
    assert served.asked == 0


def test_dripping_a_head_does_not_put_its_end_off(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - began < 4:
                connection.sendall(b"X-A: 1\r\n")
                time.sleep(0.1)
        assert time.monotonic() - began < 4


def test_a_second_request_has_to_end_too(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(GOOD)
        receive(connection)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert problem(read(connection))["status"] == 408


def test_who_says_nothing_is_hung_up_on_without_a_word(served: Served) -> None:
    with connect(served) as connection:
        assert read(connection) == b""


def test_a_body_that_stands_still_is_told_so(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\nabc")
        assert problem(read(connection))["status"] == 408


def test_a_body_that_grows_may_take_longer(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(10):
            connection.sendall(b"a" * 100)
            time.sleep(0.12)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_newcomer_takes_the_place_of_the_oldest_that_does_not_get_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedProtocol, "bounds", Bounds(seconds=60, connections=5))
    slow = [connect(served) for _ in range(5)]
    for one in slow:
        one.sendall(b"GET / HTTP/1.1\r\n")
    while len(BoundedProtocol.unfinished) < 5:
        time.sleep(0.01)
    assert b"wifi" in ask(served, GOOD.replace(b"Host", b"Connection: close\r\nHost"))
    assert read(slow[0]) == b""
    slow[1].settimeout(0.2)
    with pytest.raises(TimeoutError):
        slow[1].recv(1)
    for one in slow:
        one.close()


def test_a_connection_that_waits_for_its_next_request_makes_room_too(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedProtocol, "bounds", Bounds(seconds=60, connections=2))
    with connect(served) as idle, connect(served) as other:
        for one in (idle, other):
            one.sendall(GOOD)
            receive(one)
        with connect(served) as newcomer:
            newcomer.sendall(GOOD)
            receive(newcomer)
        assert read(idle) == b""
        other.sendall(GOOD)
        receive(other)


def test_a_connection_without_a_request_is_kept_as_long_as_told(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Bounds().idle_seconds > 60, "as long as load balancers keep one"
    monkeypatch.setattr(BoundedProtocol, "bounds", Bounds(seconds=0.2, idle_seconds=1))
    with connect(served) as kept:
        for _ in range(2):
            kept.sendall(GOOD)
            answer = b""
            while not answer.endswith(b"wifi"):
                more = kept.recv(1000)
                assert more
                answer += more
            time.sleep(0.5)  # longer than a head may take
        kept.settimeout(3)
        assert kept.recv(1000) == b""


def test_as_many_files_as_the_system_allows_may_be_opened() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = "from serving.wire import open_many_files as o; print(o(), o())"
    command = ["/bin/sh", "-c", 'ulimit -S -n 64 && exec "$@"', "sh", sys.executable, "-c", code]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    most = wire.MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, wire.MANY_FILES)
    assert told.split() == [str(most)] * 2


def test_uvicorn_takes_the_protocol_unless_it_is_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(HTTP_PROTOCOLS, "auto", HTTP_PROTOCOLS["auto"])
    monkeypatch.setattr(BoundedProtocol, "bounds", BoundedProtocol.bounds)
    monkeypatch.setattr(wire, "open_many_files", lambda: 1_000)
    wire.bound(5_000, 10, 3.0, 90)
    config = uvicorn.Config("an:app", log_config=None, lifespan="off")
    monkeypatch.setattr(config, "app", lambda *_: None)
    config.load()
    assert config.http_protocol_class is BoundedProtocol
    assert BoundedProtocol.bounds == Bounds(5_000, 10, 3.0, 10_000, 1_000 - wire.OTHER_FILES, 90)
