"""Buckets that all workers of all machines share, in Redis."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any

from serving.problems import ServingError
from serving.rate_limits import Buckets, Limiter, Quota, Taken

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""How long Redis is left alone when it did not answer."""

TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local limit, seconds, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(kept[1]) or limit
local passed = math.max(0, now - (tonumber(kept[2]) or now))
tokens = math.min(limit, tokens + passed * limit / seconds)
local allowed = 0
if tokens >= cost then
  allowed = 1
  tokens = tokens - cost
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens),
                            'at', string.format('%.17g', now))
redis.call('EXPIRE', KEYS[1], seconds)
return {allowed, string.format('%.17g', tokens)}
"""
"""As `Buckets.take`, in one step; by the clock of Redis, which all workers share."""


class RedisLimiter:
    """Counts in Redis, and in this process while Redis does not answer.

    Parameters
    ----------
    script : runs TAKE with keys and args
    errors : what it raises when Redis is not to be had
    timeout : seconds to wait for Redis
    """

    def __init__(
        self,
        script: Callable[..., Any],
        errors: tuple[type[Exception], ...],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._script = script
        self._errors: tuple[type[Exception], ...] = (*errors, TimeoutError, OSError)
        self._timeout = timeout
        self._clock = clock
        self._alone = Buckets(clock)
        self._ask_again = -float("inf")
        self._gone = False

    async def take(self, caller: str, quota: Quota, cost: int = 1) -> Taken:
        """Count a request; see `Limiter`."""
        if self._clock() < self._ask_again:
            return await self._alone.take(caller, quota, cost)
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._script(
                    keys=[name_of(caller, quota)], args=[quota.limit, quota.seconds, cost]
                )
        except self._errors as error:
            self._ask_again = self._clock() + PAUSE_SECONDS
            if not self._gone:
                logger.warning(
                    "Redis does not answer, workers count alone: %s", type(error).__name__
                )
            self._gone = True
            return await self._alone.take(caller, quota, cost)
        if self._gone:
            logger.info("Redis answers again")
            self._gone = False
        return Taken(bool(found[0]), float(found[1]))


def name_of(caller: str, quota: Quota) -> str:
    """The key of a bucket; nobody's name stands in it."""
    return f"tickets:rate:{quota.name}:{hashlib.sha256(caller.encode()).hexdigest()[:32]}"


def open_limiter(url: str, timeout: float) -> Limiter:
    """A limiter that counts in the Redis of this address, which is asked with the first request.

    Raises
    ------
    ServingError
        If the client is not installed.
    """
    try:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError
    except ModuleNotFoundError:
        raise ServingError("the setting redis needs the client: pip install redis") from None
    client = Redis.from_url(url)
    return RedisLimiter(client.register_script(TAKE), (RedisError,), timeout)
