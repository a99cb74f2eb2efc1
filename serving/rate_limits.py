"""How often one caller may ask: a bucket of tokens for each, filled as time passes."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.identity import PROBES
from serving.principals import principal_of
from serving.problems import KINDS, RateLimitedError, problem_response

MAX_CALLERS = 10_000
"""Callers that are remembered; of more, those who asked longest ago begin anew."""


class Quota(NamedTuple):
    """Requests in a window, and the name it is told by."""

    name: str
    limit: int
    seconds: int

    @property
    def policy(self) -> str:
        """As the header RateLimit-Policy tells it (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.limit};w={self.seconds}'

    @property
    def rate(self) -> float:
        """Requests a second, in the long run."""
        return self.limit / self.seconds


class Taken(NamedTuple):
    """Whether a request is allowed, and how many more would be."""

    allowed: bool
    tokens: float


class Limiter(Protocol):
    """Counts requests."""

    @property
    def away_since(self) -> datetime | None:
        """Since when workers count each for itself instead of together; None while they do not."""

    async def take(self, caller: str, quota: Quota, cost: int = 1) -> Taken:
        """Count a request, or so many tickets, unless that is too much."""


class Buckets:
    """Counts in this process. Call it from one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def away_since(self) -> datetime | None:
        """Never: nothing is asked that could be away."""
        return None

    async def take(self, caller: str, quota: Quota, cost: int = 1) -> Taken:
        """Count a request; see `Limiter`."""
        now = self._clock()
        key = quota.name, caller
        tokens, at = self._buckets.get(key, (float(quota.limit), now))
        tokens = min(quota.limit, tokens + max(0.0, now - at) * quota.rate)
        allowed = tokens >= cost
        if allowed:
            tokens -= cost
        self._buckets[key] = tokens, now
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return Taken(allowed, tokens)


class TicketLimit:
    """Counts the tickets of each caller, a batch by its size."""

    def __init__(self, limiter: Limiter, quota: Quota | None) -> None:
        self.limiter = limiter
        self.quota = quota

    async def spend(self, caller: str, tickets: int) -> None:
        """Count tickets that are about to be answered.

        Raises
        ------
        RateLimitedError
            If they are too many; none of them is counted then.
        """
        if self.quota is None or not tickets:
            return
        taken = await self.limiter.take(caller, self.quota, tickets)
        if not taken.allowed:
            wait = (tickets - taken.tokens) / self.quota.rate
            raise RateLimitedError(self.quota.limit, "tickets", self.quota.seconds, wait)


class RateLimited:
    """Counts requests of each caller, tells how many are left, and refuses those too many.

    Parameters
    ----------
    quota : of a caller who is known, or of an address
    refused : of an address whose credentials are worth nothing
    """

    def __init__(
        self, app: ASGIApp, limiter: Limiter, quota: Quota | None, refused: Quota | None
    ) -> None:
        self.app = app
        self.limiter = limiter
        self.quota = quota
        self.refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self.app(scope, receive, send)
            return
        principal = principal_of(scope)
        quota = self.quota if principal.fault is None else self.refused
        if quota is None:
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        caller = principal.name or f"address:{client[0] if client else ''}"
        taken = await self.limiter.take(caller, quota)
        told = {
            "ratelimit-policy": quota.policy,
            "ratelimit": f'"{quota.name}";r={int(taken.tokens)};t={_until_full(taken, quota)}',
        }
        if not taken.allowed:
            wait = max(1, math.ceil((1 - taken.tokens) / quota.rate))
            error = RateLimitedError(quota.limit, "requests", quota.seconds, wait)
            headers = {**told, "retry-after": str(wait)}
            refusal = problem_response(KINDS[RateLimitedError], str(error), headers)
            await refusal(scope, receive, send)
            return
        lines = [(name.encode(), value.encode()) for name, value in told.items()]

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *lines]
            await send(message)

        await self.app(scope, receive, telling)


def _until_full(taken: Taken, quota: Quota) -> int:
    return math.ceil((quota.limit - taken.tokens) / quota.rate)
