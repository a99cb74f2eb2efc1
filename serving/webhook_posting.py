"""One attempt to hand an event over: to a checked address, within a time, whatever is answered."""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from serving.webhook_addresses import ForbiddenAddressError, Resolve, find_address, resolve
from serving.webhook_endpoints import Endpoint

MAX_ANSWER = 4_096
"""Bytes of an answer that are read; nobody needs them, but a polite receiver is heard out."""

CONNECT_SECONDS = 5.0

Result = Literal["delivered", "gone", "refused", "late", "unreachable", "forbidden"]
"""What became of an attempt. `delivered`: 2xx. `gone`: 410, do not ask again. `refused`: any other
status, redirects among them. `late`: nothing whole in time. `unreachable`: no connection, or it
broke. `forbidden`: the address may not be reached."""


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended."""

    result: Result
    status: int | None = None
    retry_after: float | None = None
    """Seconds the receiver asked for."""

    @property
    def told(self) -> str:
        """In one line, without anything the receiver wrote."""
        return self.result if self.status is None else f"{self.result} {self.status}"


def post(
    endpoint: Endpoint,
    headers: Mapping[str, str],
    body: bytes,
    seconds: float,
    resolve: Resolve = resolve,
) -> Attempt:
    """Send a body and see how it is taken; never raises for what the other side does.

    Parameters
    ----------
    seconds : for all of it, from the connection to the last byte of the answer
    """
    parts = urlsplit(endpoint.url)
    host = str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        address = find_address(host, port, endpoint.allow, resolve)
        context = _make_context(endpoint) if parts.scheme == "https" else None
    except ForbiddenAddressError:
        return Attempt("forbidden")
    except (OSError, ValueError):
        return Attempt("unreachable")
    connection = _Pinned(host, port, address, context, seconds)
    late = threading.Event()

    def give_up() -> None:
        late.set()
        connection.abort()

    # A receiver that sends a byte now and then would never run into the time-out of a socket.
    watch = threading.Timer(seconds, give_up)
    watch.daemon = True
    watch.start()
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()
        answer.read(MAX_ANSWER)
        if late.is_set():
            return Attempt("late")
        return _judge(answer.status, answer.getheader("retry-after"))
    except TimeoutError:
        return Attempt("late")
    except (OSError, http.client.HTTPException, ValueError):
        return Attempt("late" if late.is_set() else "unreachable")
    finally:
        watch.cancel()
        connection.close()


def _judge(status: int, retry_after: str | None) -> Attempt:
    if 200 <= status < 300:
        return Attempt("delivered", status)
    if status == http.client.GONE:
        return Attempt("gone", status)
    wait = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return Attempt("refused", status, wait)


def _make_context(endpoint: Endpoint) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=endpoint.ca_file)


class _Pinned(http.client.HTTPConnection):
    """Connects to one address, whatever the name would lead to; TLS is asked for the name."""

    def __init__(
        self, host: str, port: int, address: str, context: ssl.SSLContext | None, seconds: float
    ) -> None:
        super().__init__(host, port, timeout=seconds)
        self._address = address
        self._context = context
        self._seconds = seconds
        self._aborted = False
        if context is not None:
            self.default_port = 443  # which Host then leaves out

    def connect(self) -> None:
        within = min(CONNECT_SECONDS, self._seconds)
        raw = socket.create_connection((self._address, self.port), within)
        raw.settimeout(self._seconds)
        self.sock = raw
        if self._context is not None:
            # The handshake later, when `abort` already finds the socket it must end.
            secure = self._context.wrap_socket(
                raw, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock = secure
            secure.do_handshake()
        if self._aborted:
            raise TimeoutError

    def abort(self) -> None:
        """End a call that another thread waits in."""
        self._aborted = True
        if self.sock is not None:
            with suppress(OSError):
                # Of the socket itself: that of TLS would wait for the other side to agree.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
