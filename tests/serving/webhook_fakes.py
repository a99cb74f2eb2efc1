"""A receiver of events on the loopback interface, and what it was sent."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from serving.webhook_endpoints import Endpoint
from serving.webhook_signing import Secret, read_secret, verify

LOOPBACK = ip_network("127.0.0.0/8")
WRITTEN = "whsec_" + base64.b64encode(bytes(range(32))).decode()
"""An invented secret."""
SECRET = read_secret(WRITTEN, "here")


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed(self, *keys: Secret) -> bool:
        return verify(keys or (SECRET,), self.headers, self.body, datetime.now(UTC))


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """An answer of this status, without a body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def hang(seconds: float = 30.0) -> Answer:
    """No answer for a long time."""
    return lambda _: time.sleep(seconds)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, so that no single read ever waits for long."""
    for _ in range(300):
        handler.wfile.write(b"H")
        handler.wfile.flush()
        time.sleep(0.1)


def flood(handler: BaseHTTPRequestHandler) -> None:
    """A body without end."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100_000):
        handler.wfile.write(b"x" * 10_000)


@dataclass
class Receiver:
    """What listens; `answers` are used up in their order, then it takes everything."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.received]


@contextmanager
def receiving(context: Any = None) -> Iterator[Receiver]:
    """A receiver on a free port; with a context it speaks TLS."""
    receiver = Receiver()
    taking = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with taking:
                receiver.received.append(Received(self.path, headers, body))
                answer = receiver.answers.pop(0) if receiver.answers else status(204)
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # of five, the sixth connection at once would wait for a second
        block_on_close = False

        def handle_error(self, *args: object) -> None:
            """Who asks may go away."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    receiver.url = f"{scheme}://localhost:{server.server_port}/hook?of=tickets"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def make_endpoint(url: str, folder: Path, **changes: Any) -> Endpoint:
    """An endpoint that may be on this machine and wants everything."""
    secret = folder / "secret"
    secret.write_text(WRITTEN + "\n")
    facts = {
        "url": url,
        "events": ["ticket.classified", "ticket.review_needed", "model.promoted"],
        "secret_files": [secret],
        "allow": [LOOPBACK, ip_network("::1/128")],
        "http": True,
    }
    return Endpoint.model_validate(facts | changes)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)
