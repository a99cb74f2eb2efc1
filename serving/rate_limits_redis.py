"""Buckets that all workers of all machines share, in Redis."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from serving.rate_limits import Buckets, Limiter, Quota, Taken
from serving.redis_circuit import Circuit
from serving.redis_clients import open_redis

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
    circuit : asks Redis while it answers
    alone : told of every request that is counted here alone
    """

    def __init__(
        self,
        script: Callable[..., Awaitable[Any]],
        circuit: Circuit,
        clock: Callable[[], float] = time.monotonic,
        alone: Callable[[], object] = lambda: None,
    ) -> None:
        self._script = script
        self._circuit = circuit
        self._alone = Buckets(clock)
        self._tell_alone = alone

    @property
    def away_since(self) -> datetime | None:
        """Since when Redis does not answer; None while it does."""
        return self._circuit.away_since

    async def take(self, caller: str, quota: Quota, cost: int = 1) -> Taken:
        """Count a request; see `Limiter`."""
        keys, args = [name_of(caller, quota)], [quota.limit, quota.seconds, cost]
        found = await self._circuit.ask(lambda: self._script(keys=keys, args=args))
        if found is None:
            self._tell_alone()
            return await self._alone.take(caller, quota, cost)
        return Taken(bool(found[0]), float(found[1]))


def name_of(caller: str, quota: Quota) -> str:
    """The key of a bucket; nobody's name stands in it."""
    return f"tickets:rate:{quota.name}:{hashlib.sha256(caller.encode()).hexdigest()[:32]}"


def open_limiter(url: str, timeout: float, alone: Callable[[], object] = lambda: None) -> Limiter:
    """A limiter that counts in the Redis of this address, which is asked with the first request.

    Raises
    ------
    ServingError
        If the client is not installed.
    """
    client, errors = open_redis(url, timeout, "the setting redis")
    circuit = Circuit("the Redis of the limits", client.ping, errors, timeout)
    return RedisLimiter(client.register_script(TAKE), circuit, alone=alone)
