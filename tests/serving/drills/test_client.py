"""The steady client against a server of a few lines."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from serving.drills.client import FEEDBACK, PREDICT, Steady, ask
from serving.drills.ledger import Ledger


class Tickets(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        status = self.server.statuses.get(self.path, 200)
        told = {"id": body.get("id"), "targets": {"team": {}}, "feedback": [{"kept": "stored"}]}
        if status == 0:
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tickets)
    server.asked, server.statuses = [], {}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def steady(server: ThreadingHTTPServer, ledger: Ledger, enough: int) -> None:
    with Steady(server.server_address[1], ledger, rate=200, clients=2):
        until = time.monotonic() + 20
        while ledger.sent < enough and time.monotonic() < until:
            time.sleep(0.01)


def test_every_ticket_is_new_and_half_of_the_answers_are_confirmed(
    server: ThreadingHTTPServer,
) -> None:
    ledger = Ledger()
    steady(server, ledger, 30)
    asked = [body for path, body in server.asked if path == PREDICT]
    said = [body for path, body in server.asked if path == FEEDBACK]
    assert (
        len({body["text"] for body in asked}) == len({body["id"] for body in asked}) == len(asked)
    )
    assert {one.id for one in ledger.predictions} == {body["id"] for body in asked}
    assert {one.key for one in ledger.feedback} == {body["key"] for body in said}
    assert 0 < len(said) < len(asked)
    assert ledger.sent == len(server.asked) == ledger.acknowledged
    assert not ledger.failures


@pytest.mark.parametrize(
    ("path", "status", "what"),
    [(PREDICT, 503, "503"), (FEEDBACK, 500, "500"), (PREDICT, 0, "RemoteDisconnected")],
)
def test_what_is_not_answered_has_failed_and_is_not_tried_again(
    server: ThreadingHTTPServer, path: str, status: int, what: str
) -> None:
    server.statuses[path] = status
    ledger = Ledger()
    steady(server, ledger, 10)
    assert {(one.path, one.what) for one in ledger.failures} == {(path, what)}
    assert ledger.sent == len(server.asked) == ledger.acknowledged + len(ledger.failures)


def test_one_can_ask_once(server: ThreadingHTTPServer) -> None:
    answer = ask(server.server_address[1], "POST", PREDICT, {"id": "x"})
    assert (answer.status, answer.json()["id"]) == (200, "x")
