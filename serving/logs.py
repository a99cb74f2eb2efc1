"""Log lines: for people, or one JSON object each; with the request they belong to.

Ours hold ids and numbers. Others' (BentoML, uvicorn, asyncio) may quote what was being worked on,
so of theirs the first line is kept, and of any exception the types and places, not the message.
"""

import json
import logging
import logging.config
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from serving.correlation import current_correlation
from serving.edge import anonymous_traceback

OURS = ("data", "models", "evaluation", "serving")
OTHERS = ("asyncio", "uvicorn.error", "bentoml", "bentoml_internal")

LogFormat = Literal["text", "json"]

MAX_FOREIGN = 300
"""Characters of a line that is not ours."""

TOLD = "told"
"""Attribute of a record that holds what its message says, as names and values."""

_Caught = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def tell(record: logging.LogRecord) -> str:
    """The message of a record, without what it may quote of a ticket."""
    if record.name.partition(".")[0] in OURS:
        return record.getMessage()
    return record.getMessage().partition("\n")[0][:MAX_FOREIGN]


class _Anonymous(logging.Formatter):
    """Tells types and places of an exception, and none of its words."""

    def formatException(self, ei: _Caught) -> str:  # noqa: N802 - the name is logging's
        return "" if ei[1] is None else anonymous_traceback(ei[1])


class TextFormatter(_Anonymous):
    """A line for people; the name of the request last."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s pid=%(process)d %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = tell(record)
        line = super().formatMessage(record)
        name = current_correlation()
        return line if name is None else f"{line} id={name}"


class JsonFormatter(_Anonymous):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "correlation": current_correlation(),
            "message": tell(record),
            **getattr(record, TOLD, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(log_format: LogFormat = "text") -> None:
    """One line per event on standard error; called once per process by the service."""
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": formatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "loggers": {
                name: {
                    "handlers": ["stderr"],
                    "level": "INFO" if name in OURS else "WARNING",
                    "propagate": False,
                }
                for name in (*OURS, *OTHERS)
            },
        }
    )
