"""Keeps requests from waiting for a Redis that does not answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Between two looks at whether it answers again."""


class Circuit:
    """Asks while answers come; after the first failure nobody waits until it was seen to be back.

    Looking is done beside the requests, so that none of them pays for it. Call it from one event
    loop.

    Parameters
    ----------
    name : of what is asked, for the log
    ping : succeeds when it is back
    errors : of not being there
    timeout : seconds to wait for an answer
    failed : told of every failure
    """

    def __init__(
        self,
        name: str,
        ping: Callable[[], Awaitable[object]],
        errors: tuple[type[Exception], ...],
        timeout: float,
        failed: Callable[[], object] = lambda: None,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._name = name
        self._ping = ping
        self._errors: tuple[type[Exception], ...] = (*errors, TimeoutError, OSError)
        self._timeout = timeout
        self._failed = failed
        self._pause = pause
        self._looking: asyncio.Task[None] | None = None
        self._away_since: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody asks at this moment."""
        return self._looking is not None

    @property
    def away_since(self) -> datetime | None:
        """When the first answer failed to come; None while answers come."""
        return self._away_since

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """What the call gives; None where it is not to be had."""
        if self.is_open:
            return None
        try:
            async with asyncio.timeout(self._timeout):
                return await call()
        except self._errors as error:
            self._failed()
            if not self.is_open:
                # The message may hold the address, and with it the password.
                logger.warning("%s does not answer: %s", self._name, type(error).__name__)
                self._away_since = datetime.now(UTC)
                self._looking = asyncio.create_task(self._look())
            return None

    async def _look(self) -> None:
        """Wait until it answers."""
        while True:
            await asyncio.sleep(self._pause)
            try:
                async with asyncio.timeout(self._timeout):
                    await self._ping()
            except self._errors:
                continue
            break
        logger.info("%s answers again", self._name)
        self._looking = None
        self._away_since = None
