"""Errors told to Sentry, where an operator wants that: our own log lines, and nothing else.

The SDK would collect requests, local variables and messages of exceptions by itself, all of which
may quote a ticket. So its integrations stay off, an event is made of each log line of level error,
which holds ids, types and places (`data.log_lines`), and whatever else the SDK adds is taken out.
"""

import logging
from typing import Any

from data.errors import CatalogError
from serving.correlation import current_correlation
from serving.logs import OURS, tell

KEPT = frozenset(
    {
        "event_id", "timestamp", "level", "logger", "logentry", "message", "tags", "platform",
        "release", "environment", "sdk", "fingerprint", "contexts",
    }
)  # fmt: skip
"""Of an event; requests, users, breadcrumbs, variables and exceptions are not among them."""

CONTEXTS = frozenset({"runtime", "os"})


def scrub(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """An event reduced to what is known to hold no word of a ticket; the SDK's `before_send`."""
    del hint
    kept = {name: value for name, value in event.items() if name in KEPT}
    contexts = kept.pop("contexts", None) or {}
    return {**kept, "contexts": {name: contexts[name] for name in CONTEXTS & contexts.keys()}}


class SentryHandler(logging.Handler):
    """Tells Sentry of our log lines of level error and above."""

    def __init__(self, sdk: Any) -> None:
        super().__init__(logging.ERROR)
        self._sdk = sdk

    def emit(self, record: logging.LogRecord) -> None:
        """Make an event of a record; never raises."""
        try:
            name = current_correlation()
            self._sdk.capture_event(
                {
                    "level": record.levelname.lower(),
                    "logger": record.name,
                    "message": tell(record),
                    "tags": {} if name is None else {"correlation": name},
                    "fingerprint": [record.name, str(record.msg)],
                }
            )
        except Exception:  # noqa: BLE001 - logging must not break what it tells of
            self.handleError(record)


def start_sentry(dsn: str) -> None:
    """Begin to tell Sentry of errors.

    Raises
    ------
    CatalogError
        If the package is not installed, or the address is none.
    """
    try:
        import sentry_sdk
    except ImportError:
        raise CatalogError(
            "sentry_dsn is set and the package is missing: pip install sentry-sdk"
        ) from None
    try:
        sentry_sdk.init(
            dsn=dsn,
            default_integrations=False,
            auto_enabling_integrations=False,
            send_default_pii=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            before_send=scrub,
        )
    except sentry_sdk.utils.BadDsn:
        raise CatalogError("sentry_dsn is no address of Sentry") from None
    handler = SentryHandler(sentry_sdk)
    for name in OURS:
        logging.getLogger(name).addHandler(handler)
