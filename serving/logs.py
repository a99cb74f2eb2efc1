"""Log lines: for people, or one JSON object each; with the request they belong to.

Ours hold ids and numbers. Others' (BentoML, uvicorn, asyncio) may quote what was being worked on,
so of theirs the first line is kept, and of any exception the types and places, not the message.
"""

import logging
import logging.config

from data import log_lines
from data.log_lines import AnonymousFormatter, LogFormat
from serving.correlation import current_correlation

OURS = ("data", "models", "evaluation", "serving")
OTHERS = ("asyncio", "uvicorn.error", "bentoml", "bentoml_internal")


def tell(record: logging.LogRecord) -> str:
    """The message of a record, without what it may quote of a ticket."""
    return log_lines.tell(record, OURS)


class TextFormatter(AnonymousFormatter):
    """A line for people; the name of the request last."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s pid=%(process)d %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = tell(record)
        line = super().formatMessage(record)
        name = current_correlation()
        return line if name is None else f"{line} id={name}"


class JsonFormatter(log_lines.JsonFormatter):
    """One JSON object a line; with the name of the request."""

    def __init__(self) -> None:
        super().__init__(OURS, current_correlation)


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
