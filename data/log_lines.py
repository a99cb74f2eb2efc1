"""Log lines as JSON, one object each, for service and pipelines alike.

Ours hold ids and numbers. Others' may quote what was being worked on, so of theirs the first line
is kept, and of any exception the types and places, not the message.
"""

import json
import logging
import traceback
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

LogFormat = Literal["text", "json"]

MAX_FOREIGN = 300
"""Characters of a line that is not ours."""

TOLD = "told"
"""Attribute of a record that holds what its message says, as names and values."""

_Caught = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def anonymous_traceback(error: BaseException) -> str:
    """Types and lines of an exception and its causes, without messages.

    A message may quote what was being worked on, and that is a customer's text.
    """
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < 5:
        frames = "".join(traceback.format_tb(current.__traceback__))
        parts.append(f"{frames}{type(current).__module__}.{type(current).__qualname__}")
        current = current.__cause__ or current.__context__
    return "\n\nafter\n\n".join(parts)


def tell(record: logging.LogRecord, ours: Collection[str]) -> str:
    """The message of a record, without what it may quote of a ticket.

    Parameters
    ----------
    ours : packages whose lines are told whole
    """
    if record.name.partition(".")[0] in ours:
        return record.getMessage()
    return record.getMessage().partition("\n")[0][:MAX_FOREIGN]


class AnonymousFormatter(logging.Formatter):
    """Tells types and places of an exception, and none of its words."""

    def formatException(self, ei: _Caught) -> str:  # noqa: N802 - the name is logging's
        return "" if ei[1] is None else anonymous_traceback(ei[1])


class JsonFormatter(AnonymousFormatter):
    """One JSON object a line.

    Parameters
    ----------
    ours : packages whose lines are told whole
    correlation : the name that what is being done is found by
    facts : said in every line
    """

    def __init__(
        self,
        ours: Collection[str],
        correlation: Callable[[], str | None],
        **facts: str,
    ) -> None:
        super().__init__()
        self._ours = ours
        self._correlation = correlation
        self._facts = facts

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "correlation": self._correlation(),
            **self._facts,
            "message": tell(record, self._ours),
            **getattr(record, TOLD, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
