"""How much of a request's head is read, how long its sender may take, and how many may connect.

uvicorn reads heads of any length, waits for their end for ever and takes connections until there is
no file left to open: then nobody is answered, and nothing can be written to disk either. Its parser
is kept; what is refused here never reaches the application.
"""

import resource
from asyncio import TimerHandle, Transport
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.config import HTTP_PROTOCOLS, Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from serving.problems import KINDS, Kind, WireError, problem_response
from serving.secure_headers import HEADERS

MANY_FILES = 1 << 16
"""Files a worker may open, where the system lets it: a connection is one."""

OTHER_FILES = 256
"""Of these, what is kept for anything but connections: store, bundle, spool, logs."""

LINGER_SECONDS = 1.0
"""How long what a refused client still sends is thrown away: closed at once, the system would drop
the answer with it (RFC 9112, section 9.6)."""


WRAPPED = 16
"""Bytes that a byte of a chunked body may take; more counts as head: extensions, trailers."""


@dataclass(frozen=True)
class Bounds:
    """What a client may take.

    Attributes
    ----------
    head_bytes : of request line and headers together
    headers : lines
    seconds : until the head has to be there, and in which a body has to grow by `least_bytes`
    connections : at once; for a new one the oldest on which nothing is being answered is closed
    idle_seconds : between an answer and the next request. Who hangs up first risks that a request
        is on its way: a load balancer that keeps connections for 60 s would meet that with 5
    """

    head_bytes: int = 64 << 10
    headers: int = 200
    seconds: float = 20.0
    least_bytes: int = 10_000
    connections: int = 768
    idle_seconds: int = 75


class BoundedProtocol(HttpToolsProtocol):
    """One connection, within bounds."""

    bounds: ClassVar[Bounds] = Bounds()
    unfinished: ClassVar[dict["BoundedProtocol", None]] = {}
    """Connections on which nothing is being answered: their request is not whole yet, or none has
    begun. Who has waited longest comes first; of this process."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: Any = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.timeout_keep_alive = self.bounds.idle_seconds
        self._in_head = True
        self._head_bytes = 0
        self._body_bytes = 0
        self._wrapping = 0
        self._refused = False
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self.bounds.connections:
            oldest = next(iter(self.unfinished))
            if oldest is self:
                self._refuse(KINDS[503])
            else:
                oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._timer is None and self._in_head:
            self._await_head()
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._wrapping += len(data)
        super().data_received(data)
        # Of a head that goes on: what has come is its alone. One that ended is looked at there.
        size = self._head_bytes if self._in_head else self._wrapping
        if size > self.bounds.head_bytes and not self._refused:
            self._refuse(KINDS[431])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        if self._refused:
            return
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.bounds.head_bytes or len(self.headers) > self.bounds.headers:
            self._refuse(KINDS[431])
            return
        self._in_head, self._head_bytes, self._body_bytes, self._wrapping = False, 0, 0, 0
        super().on_headers_complete()
        self._await_body()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            self._body_bytes += len(body)
            self._wrapping = max(0, self._wrapping - WRAPPED * len(body))
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            super().on_message_complete()
            self._in_head = True
            self._rest()

    def send_400_response(self, msg: str) -> None:
        """Tell what is no HTTP, as a problem like all others."""
        if not self._refused:
            self._refuse(KINDS[WireError])

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_head and not self._refused and not self.transport.is_closing():
            self.unfinished[self] = None

    def _await_head(self) -> None:
        self._rest()
        self.unfinished[self] = None
        self._timer = self.loop.call_later(self.bounds.seconds, self._too_slow)

    def _await_body(self) -> None:
        self._rest()
        self.unfinished[self] = None
        self._timer = self.loop.call_later(self.bounds.seconds, self._look_at_body)

    def _rest(self) -> None:
        self.unfinished.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at_body(self) -> None:
        # A body that waits for us is not slow.
        if self.flow.read_paused or self._body_bytes >= self.bounds.least_bytes:
            self._body_bytes = 0
            self._await_body()
        else:
            self._too_slow()

    def _too_slow(self) -> None:
        self._timer = None
        started = not self._in_head and self.cycle.response_started
        if self.transport.is_closing() or (self._in_head and not self._head_bytes) or started:
            self._rest()
            self.transport.close()
        else:
            self._refuse(KINDS[408])

    def _refuse(self, kind: Kind) -> None:
        """Answer with a problem, throw away what still comes, and close."""
        self._refused = True
        self._rest()
        pending = self.cycle is not None and not self.cycle.response_complete
        if pending and self._in_head:
            # What came before on this connection is not answered yet: nothing may overtake it.
            self.transport.close()
        if self.transport.is_closing():
            return
        problem = problem_response(kind)
        lines = [*problem.raw_headers, *HEADERS, (b"connection", b"close")]
        told = dict(lines)  # the problem says no-store itself
        head = b"".join(b"%b: %b\r\n" % pair for pair in told.items())
        self.transport.write(STATUS_LINE[kind.status] + head + b"\r\n" + bytes(problem.body))
        if pending:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()


def open_many_files() -> int:
    """Let this process open as many files as it may; gives how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, MANY_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MANY_FILES if soft == resource.RLIM_INFINITY else soft


def bound(head_bytes: int, headers: int, seconds: float, idle_seconds: int) -> None:
    """Have uvicorn take connections within these bounds; to be called before it starts."""
    connections = max(1, open_many_files() - OTHER_FILES)
    BoundedProtocol.bounds = Bounds(
        head_bytes, headers, seconds, connections=connections, idle_seconds=idle_seconds
    )
    # BentoML chooses nothing here, and so uvicorn takes what stands under this name.
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{BoundedProtocol.__name__}"
