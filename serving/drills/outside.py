"""What lies beside the service and may go: Redis, a receiver of webhooks."""

import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex

from serving.bench.processes import free_port
from serving.bench.systems.catalogue import HOST
from serving.drills.drill import Drill, Finding
from serving.drills.ledger import in_words
from serving.drills.stage import LackingError, Stage, rest, until
from serving.webhook_signing import new_secret

GONE = 6.0
"""Seconds without Redis."""


class Redis:
    """A redis-server of our own that keeps nothing on disk."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise LackingError("no redis-server: install the package redis-server")
        self._process = subprocess.Popen(  # noqa: S603 - program of the distribution
            [program, "--port", str(self.port), "--bind", HOST, "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)


@contextmanager
def redis() -> Iterator[Redis]:
    """A server that runs.

    Raises
    ------
    LackingError
        If Redis or its client is not installed.
    """
    try:
        import redis as _  # noqa: F401
    except ModuleNotFoundError:
        raise LackingError("no client of Redis: pip install redis") from None
    server = Redis()
    server.start()
    try:
        yield server
    finally:
        server.kill()


class WithRedis:
    """All that may use Redis does, and then it goes."""

    def __init__(self) -> None:
        self.server: Redis | None = None

    def prepare(self, stage: Stage) -> None:
        self.server = stage.enter(redis())
        stage.settings |= {
            "TICKETS_REDIS": f"redis://{HOST}:{self.server.port}",
            "TICKETS_RATE_LIMIT": "100000",
            "TICKETS_CACHE": "redis",
            "TICKETS_SALT": token_hex(16),
        }

    def go(self, stage: Stage) -> Finding:
        """Kill Redis under load, start it again empty."""
        assert self.server is not None
        finding, began = Finding(), time.monotonic()
        self.server.kill()
        rest(GONE)
        ended = time.monotonic()
        self.server.start()
        rest(GONE / 2)
        failures = stage.ledger.failures
        finding.saw(
            f"rate limits and cache used it; failed: {in_words(failures)}, slowest ticket "
            f"meanwhile {stage.ledger.slowest(began, ended):.2f} s"
        )
        finding.expect(not failures, f"failed: {in_words(failures)}")
        return finding


class Receiver(ThreadingHTTPServer):
    """Takes webhooks once it is let to; until then it accepts connections and says nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Receiving)
        self.answers = threading.Event()
        self.ended = threading.Event()
        self.tries = 0
        self.taken: set[str] = set()


class _Receiving(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.tries += 1
        while not self.server.answers.wait(0.1):
            if self.server.ended.is_set():
                return
        with suppress(OSError):
            self.send_response(204)
            self.end_headers()
            self.server.taken.add(json.loads(body)["data"]["prediction_id"])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that listens."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


class WithWebhooks:
    """Every answer is told to a receiver that hangs."""

    def __init__(self) -> None:
        self.receiver: Receiver | None = None

    def prepare(self, stage: Stage) -> None:
        self.receiver = stage.enter(receiver())
        port = self.receiver.server_address[1]
        told = {
            "url": f"http://{HOST}:{port}/", "http": True, "allow": ["127.0.0.0/8"],
            "events": ["ticket.classified"], "secret_environment": ["DRILL_WEBHOOK_SECRET"],
        }  # fmt: skip
        file = stage.folder / "webhooks.yaml"
        file.write_text(json.dumps({"endpoints": {"drill": told}}), encoding="utf-8")
        stage.settings |= {
            "TICKETS_WEBHOOKS": str(file),
            "TICKETS_WEBHOOK_SECONDS": "1",
            "TICKETS_WEBHOOK_FIRST_SECONDS": "0.3",
            "DRILL_WEBHOOK_SECRET": new_secret(),
        }

    def hang(self, stage: Stage) -> Finding:
        """Let the receiver hang, then answer."""
        assert self.receiver is not None
        finding, began = Finding(), time.monotonic()
        until(lambda: self.receiver is not None and self.receiver.tries > 0, "a webhook is tried")
        rest(GONE)
        ended = time.monotonic()
        failures, tries = stage.ledger.failures, self.receiver.tries
        told = stage.ledger.told_between(0.0, ended - 2.0)
        self.receiver.answers.set()
        taken = self.receiver.taken
        seconds = until(lambda: told <= taken, "all events are taken", 120.0)
        finding.saw(
            f"{tries} attempts hung; failed: {in_words(failures)}, slowest ticket meanwhile "
            f"{stage.ledger.slowest(began, ended):.2f} s; all {len(told)} events were taken "
            f"{seconds:.0f} s after the receiver answered"
        )
        finding.expect(not failures, f"failed: {in_words(failures)}")
        return finding


_redis, _webhooks = WithRedis(), WithWebhooks()
OUTSIDE = (
    Drill(
        "redis-gone",
        "each worker counts and computes for itself: no request fails",
        _redis.go,
        _redis.prepare,
    ),
    Drill(
        "webhook-hanging",
        "tickets and feedback do not wait for it; events wait in the outbox and each is delivered "
        "when the receiver answers",
        _webhooks.hang,
        _webhooks.prepare,
        rate=8.0,
    ),
)
