"""The outermost layers: what nobody expected, and what others answered in our place."""

import logging
import uuid
from collections.abc import Callable, Collection

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.log_lines import anonymous_traceback
from serving.problems import KINDS, MEDIA_TYPE, NotReadyError, kind_of_status, problem_response

logger = logging.getLogger(__name__)


class LastResort:
    """Turns an exception nobody expected into a 500 whose id stands in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the outermost edge
            incident = f"urn:uuid:{uuid.uuid4()}"
            logger.error("unexpected error %s\n%s", incident, anonymous_traceback(error))
            if scope["type"] != "http" or started:
                raise RuntimeError(f"the response was cut short: {incident}") from None
            await problem_response(KINDS[500], instance=incident)(scope, receive, send)


class OnlyOurs:
    """Hides the addresses that a layer around us adds, so that the document tells of all there are.

    Parameters
    ----------
    app : the application with that layer
    hidden : addresses
    """

    def __init__(self, app: ASGIApp, hidden: Collection[str]) -> None:
        self.app = app
        self.hidden = frozenset(hidden)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self.hidden:
            await problem_response(KINDS[404])(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class ForeignErrors:
    """Retells errors of the layers around us (BentoML's probes, time-outs) as problems.

    Parameters
    ----------
    app : the application whose errors are retold
    why_not_ready : gives the reason to state beside a 503
    """

    def __init__(self, app: ASGIApp, why_not_ready: Callable[[], str | None]) -> None:
        self.app = app
        self.why_not_ready = why_not_ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        retold: Response | None = None

        async def retelling(message: Message) -> None:
            nonlocal retold
            if message["type"] == "http.response.start" and message["status"] >= 400:
                headers = dict(message["headers"])
                if not headers.get(b"content-type", b"").startswith(MEDIA_TYPE.encode()):
                    retold = self.retell(message["status"])
                    await retold(scope, receive, send)
            if retold is None:
                await send(message)

        await self.app(scope, receive, retelling)

    def retell(self, status: int) -> Response:
        """The problem that stands for a foreign response."""
        reason = self.why_not_ready() if status == 503 else None
        if reason is None:
            return problem_response(kind_of_status(status))
        return problem_response(KINDS[NotReadyError], reason, {"retry-after": "5"})
