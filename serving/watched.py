"""The layer that counts, logs, names and traces every request."""

import logging
import time
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.log_lines import TOLD
from serving.correlation import HEADER, caused_by, read_cause
from serving.principals import principal_of
from serving.telemetry import Telemetry

if TYPE_CHECKING:
    from serving.tracing import Tracing

access = logging.getLogger("serving.access")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUIET = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
"""Routes that probes ask every few seconds; counted, not logged."""


class Watched:
    """Counts and logs every request by its route's template, under the name that it is given back.

    Parameters
    ----------
    tracing : makes a span of it; None: none is made
    """

    def __init__(
        self,
        app: ASGIApp,
        telemetry: Telemetry,
        access_log: bool,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.app = app
        self.telemetry = telemetry
        self.access_log = access_log
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500
        cause = read_cause(scope)
        span = None if self.tracing is None else self.tracing.begin(cause)
        named = (HEADER, cause.correlation.encode())

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), named]
            await send(message)

        with caused_by(cause):
            try:
                await self.app(scope, receive, noting)
            finally:
                seconds = time.perf_counter() - began
                method = scope["method"] if scope["method"] in METHODS else "(other)"
                route = getattr(scope.get("route"), "path", "") or "(none)"
                self.telemetry.requests.labels(method, route, str(status)).inc()
                self.telemetry.seconds.labels(route).observe(seconds)
                if span is not None:
                    span.end(method, route, status)
                if self.access_log and route not in QUIET:
                    told = {
                        "method": method, "route": route, "status": status,
                        "ms": round(1000 * seconds, 1), "arm": ",".join(sorted(cause.arms)),
                        "caller": principal_of(scope).name,
                    }  # fmt: skip
                    self._log(told)

    @staticmethod
    def _log(told: dict[str, str | int | float]) -> None:
        arm = f" {told['arm']}" if told["arm"] else ""
        access.info(
            "%s %s %d %.1f ms%s", told["method"], told["route"], told["status"], told["ms"], arm,
            extra={TOLD: told},
        )  # fmt: skip
