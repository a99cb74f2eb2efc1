"""Answers that the workers of all machines share, in Redis.

Redis learns nothing of a ticket: names are hashes under a secret, contents are sealed. While it is
not to be had everything is computed, and nobody waits for it.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from serving.cache_metrics import CacheMetrics
from serving.cache_sealing import Sealing, fingerprint
from serving.redis_circuit import Circuit
from serving.redis_clients import open_redis

PREFIX = "tickets:answers:"

GENERATION = PREFIX + "generation"
"""Its value is part of what answers are sealed for: another one, and all of them are forgotten.
Drawn and not counted: were it evicted, a count would begin again and bring back what was erased."""

MAX_CONTENT = 64 << 10
"""Bytes of an answer that is kept. One of a ticket of 200 words has some 3,000."""

FLIGHT_SECONDS = 2.0
"""How long others wait for the one who computes, at most, and when it counts as dead."""

RELEASE = """
for i, name in ipairs(KEYS) do
  if redis.call('GET', name) == ARGV[i] then redis.call('DEL', name) end
end
"""
"""Ends flights, each only if it is still the one that was begun."""


class _Claim(NamedTuple):
    generation: bytes
    """Seen before computing began; what is sealed for it is worth nothing once that has passed."""
    token: bytes


class RedisAnswers:
    """Contents by key, in Redis; call it from one event loop. It never raises.

    Parameters
    ----------
    client : of redis.asyncio, giving bytes
    circuit : asks it
    place : of the release that answers, in every name
    """

    def __init__(
        self,
        client: Any,
        circuit: Circuit,
        sealing: Sealing,
        seconds: float,
        metrics: CacheMetrics,
        place: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._circuit = circuit
        self._sealing = sealing
        self._milliseconds = max(1, round(1000 * seconds))
        self._metrics = metrics
        self._place = place
        self._clock = clock
        self._generation: bytes | None = None
        self._claims: dict[bytes, _Claim] = {}
        self._to_clear = False
        self._ending: set[asyncio.Task[object]] = set()

    @property
    def away_since(self) -> datetime | None:
        """Since when Redis does not answer; None while it does."""
        return self._circuit.away_since

    async def find(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is remembered under each key, in order."""
        if self._circuit.is_open:
            self._metrics.unasked.inc(len(keys))
        if self._to_clear:
            await self.clear()
        found = None if self._to_clear else await self._circuit.ask(lambda: self._read(keys))
        if found is None:
            self._generation = None
            return [None] * len(keys)
        return found

    async def claim(self, keys: Sequence[bytes]) -> list[bytes]:
        """Which of these to compute: those that nobody else, of whatever machine, computes now."""
        generation = self._generation
        if generation is None:
            return list(keys)
        token = secrets.token_bytes(16)
        mine = await self._circuit.ask(lambda: self._begin(keys, token))
        if mine is None:
            return list(keys)
        self._claims |= {key: _Claim(generation, token) for key in mine}
        return mine

    async def put(self, contents: Mapping[bytes, bytes]) -> None:
        """Remember what was claimed and computed."""
        sealed = {
            key: self._sealing.seal(content, claim.generation + key)
            for key, content in contents.items()
            if (claim := self._claims.get(key)) is not None and len(content) <= MAX_CONTENT
        }
        if not sealed:
            return
        written: bool | None = await self._circuit.ask(lambda: self._write(sealed))
        if written:
            for key in sealed:
                del self._claims[key]

    def release(self, keys: Iterable[bytes]) -> None:
        """Let others compute what was claimed and not put; never waits."""
        claims = {key: self._claims.pop(key) for key in keys if key in self._claims}
        if not claims or self._circuit.is_open:
            return
        task = asyncio.create_task(self._circuit.ask(lambda: self._end(self._client, claims)))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def wait(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """What others computed of these; without those they gave up, or took too long for."""
        found: dict[bytes, bytes] = {}
        waiting, until, pause = list(keys), self._clock() + FLIGHT_SECONDS, 0.005
        while waiting and self._clock() < until:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)
            asked = tuple(waiting)
            flown = await self._circuit.ask(lambda asked=asked: self._look(asked))  # type: ignore[misc]
            if flown is None:
                break
            waiting = []
            for key, (content, flies) in zip(asked, flown, strict=True):
                if content is not None:
                    found[key] = content
                elif flies:
                    waiting.append(key)
        return found

    async def clear(self) -> None:
        """Forget everything, for all; as soon as Redis is to be had, and nothing is told before."""
        self._to_clear = True
        self._generation = None
        drawn = secrets.token_bytes(16)
        if await self._circuit.ask(lambda: self._client.set(GENERATION, drawn)) is not None:
            self._to_clear = False

    async def _read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        generation, *sealed = await self._client.mget([GENERATION, *map(self._name, keys)])
        if generation is None:
            await self._client.set(GENERATION, secrets.token_bytes(16), nx=True)
            generation = await self._client.get(GENERATION)
        self._generation = generation
        return [self._open(key, one) for key, one in zip(keys, sealed, strict=True)]

    async def _begin(self, keys: Sequence[bytes], token: bytes) -> list[bytes]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.set(self._flight(key), token, nx=True, px=round(1000 * FLIGHT_SECONDS))
            begun = await pipeline.execute()
        return [key for key, taken in zip(keys, begun, strict=True) if taken]

    async def _write(self, sealed: Mapping[bytes, bytes]) -> bool:
        async with self._client.pipeline(transaction=False) as pipeline:
            for key, content in sealed.items():
                pipeline.set(self._name(key), content, px=self._milliseconds)
            # After them: whoever sees no flight any more finds the answer.
            self._end(pipeline, {key: self._claims[key] for key in sealed})
            await pipeline.execute()
        return True

    def _end(self, client: Any, claims: Mapping[bytes, _Claim]) -> Any:
        names = [self._flight(key) for key in claims]
        return client.eval(RELEASE, len(names), *names, *(one.token for one in claims.values()))

    async def _look(self, keys: Sequence[bytes]) -> list[tuple[bytes | None, bool]]:
        """What stands under each key, and whether somebody computes it; all at one moment."""
        names = [*map(self._name, keys), *map(self._flight, keys)]
        self._generation, *read = await self._client.mget([GENERATION, *names])
        return [
            (self._open(key, content), flies is not None)
            for key, content, flies in zip(keys, read[: len(keys)], read[len(keys) :], strict=True)
        ]

    def _open(self, key: bytes, sealed: bytes | None) -> bytes | None:
        if sealed is None or self._generation is None:
            return None
        return self._sealing.open(sealed, self._generation + key)

    def _name(self, key: bytes) -> str:
        return f"{PREFIX}{self._place}:{key.hex()}"

    def _flight(self, key: bytes) -> str:
        return f"{PREFIX}flight:{self._place}:{key.hex()}"


def open_answers(
    url: str, secret: str, seconds: float, timeout: float, metrics: CacheMetrics
) -> RedisAnswers:
    """Answers in the Redis of this address, which is asked with the first request.

    Raises
    ------
    ServingError
        If the client is not installed.
    """
    client, errors = open_redis(url, timeout, "the cache redis")
    circuit = Circuit("the shared cache", client.ping, errors, timeout, metrics.failures.inc)
    return RedisAnswers(client, circuit, Sealing(secret), seconds, metrics, fingerprint())
