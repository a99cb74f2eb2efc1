"""What is known of the request that is being answered, wherever that is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import time_ns
from typing import NamedTuple

from starlette.types import Scope

from data.correlation import TraceParent, new_correlation, read_request_id, read_traceparent

HEADER = b"x-request-id"


class Step(NamedTuple):
    """A piece of the work, for the trace."""

    name: str
    began: int
    """Nanoseconds since 1970."""
    ended: int
    told: dict[str, str]


@dataclass(slots=True)
class Cause:
    """A request, or a job that one left behind; shared by all that works for it."""

    correlation: str
    parent: TraceParent | None = None
    arms: set[str] = field(default_factory=set)
    """Who answered its tickets."""
    steps: list[Step] | None = None
    """None where nobody traces."""


_current: ContextVar[Cause | None] = ContextVar("cause", default=None)


def read_cause(scope: Scope) -> Cause:
    """The name of a request: its trace's, else the request id it carries, else a new one."""
    traceparent = request_id = None
    for name, value in scope["headers"]:
        if name == b"traceparent":
            traceparent = value.decode("latin-1")
        elif name == HEADER:
            request_id = value.decode("latin-1")
    parent = read_traceparent(traceparent)
    if parent is not None:
        return Cause(parent.trace, parent)
    return Cause(read_request_id(request_id) or new_correlation())


def current() -> Cause | None:
    """What caused the work at hand; None outside of requests and jobs."""
    return _current.get()


def current_correlation() -> str | None:
    """The name of what caused the work at hand."""
    cause = _current.get()
    return None if cause is None else cause.correlation


@contextmanager
def caused_by(cause: Cause | None) -> Iterator[None]:
    """Work for this cause while the block runs."""
    token = _current.set(cause)
    try:
        yield
    finally:
        _current.reset(token)


def note_step(name: str, seconds: float, **told: str) -> None:
    """Tell the trace of the request, if there is one, of something that has just ended."""
    cause = _current.get()
    if cause is not None and cause.steps is not None:
        now = time_ns()
        cause.steps.append(Step(name, now - round(seconds * 1e9), now, told))
