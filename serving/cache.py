"""Answers that need not be computed again: remembered, or being computed at this moment.

Tickets that are the same in all but their id have the same answer from the same bundle. What is
told around it is not shared: each answer has an id, an arm and a draw for the audit of its own, and
each is stored.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, Self

from data.schema import Detail, Prediction, Ticket
from serving.cache_erasures import Erasures
from serving.cache_memory import MemoryAnswers
from serving.cache_metrics import CacheMetrics
from serving.settings import Settings

Compute = Callable[[list[Ticket]], Awaitable[list[Prediction]]]
"""Gives one prediction per ticket, in order."""

KEY_BYTES = 16
"""Of a key. Two of 2**32 tickets share one by chance with a probability of about 2**-65."""


class AnswerStore(Protocol):
    """Remembers contents by key, for a time and within limits of its own.

    Keys are hashes under a secret and tell nothing. Contents are what is told of a ticket, values
    of its entities among them: whoever keeps them elsewhere protects them as the tickets. A store
    that cannot be reached finds nothing and takes nothing; it never raises.

    What is not found is claimed before it is computed, and released after it was put or given up.
    What others of those who share the store compute meanwhile can be waited for.
    """

    @property
    def away_since(self) -> datetime | None: ...

    async def find(self, keys: Sequence[bytes]) -> list[bytes | None]: ...

    async def claim(self, keys: Sequence[bytes]) -> list[bytes]: ...

    async def put(self, contents: Mapping[bytes, bytes]) -> None: ...

    def release(self, keys: Iterable[bytes]) -> None: ...

    async def wait(self, keys: Sequence[bytes]) -> dict[bytes, bytes]: ...

    async def clear(self) -> None: ...


class Asked(NamedTuple):
    """What an answer depends on, beside the ticket."""

    version: str
    """Of the bundle: its contents are part of it."""
    runtime: str
    detail: Detail
    cascade: bool
    lost: Mapping[str, Collection[str]]
    """Target -> labels whose certificate was lost live."""

    def told(self) -> bytes:
        """The same for the same, as one line."""
        lost = {target: sorted(labels) for target, labels in self.lost.items()}
        return json.dumps([*self[:-1], lost], sort_keys=True).encode()


class AnswerCache:
    """Asks for each answer once; call it from one event loop.

    A ticket whose answer is being computed waits for that one. Where that request is given up, one
    of those that wait asks in its place; where it fails, each of them asks for itself, because the
    fault may lie in another ticket of that request.

    Parameters
    ----------
    store : remembers answers
    erasures : after each of which all answers are forgotten
    metrics : told what was remembered
    secret : of the keys; drawn where none is given
    """

    def __init__(
        self,
        store: AnswerStore,
        erasures: Erasures,
        metrics: CacheMetrics,
        secret: bytes | None = None,
    ) -> None:
        self._store = store
        self._erasures = erasures
        self._metrics = metrics
        self._secret = secret or secrets.token_bytes(32)
        self._seen = erasures.look()
        self._flights: dict[bytes, asyncio.Future[Prediction | None]] = {}

    @classmethod
    def find(cls, settings: Settings, metrics: CacheMetrics) -> Self | None:
        """The cache that the settings ask for, None where they ask for none."""
        if settings.cache == "off":
            return None
        erasures = Erasures(settings.jobs_folder)
        if settings.cache == "redis":
            from serving.cache_redis import open_answers
            from serving.cache_sealing import derive

            shared = open_answers(
                settings.cache_address,
                settings.salt,
                settings.cache_seconds,
                settings.redis_timeout_seconds,
                metrics,
            )
            return cls(shared, erasures, metrics, derive(settings.salt, "answers: names"))
        store = MemoryAnswers(settings.cache_mib << 20, settings.cache_seconds, metrics.held)
        return cls(store, erasures, metrics)

    @property
    def away_since(self) -> datetime | None:
        """Since when nothing is remembered, as the store cannot be reached; None while it can."""
        return self._store.away_since

    async def answer(
        self, asked: Asked, tickets: Sequence[Ticket], compute: Compute
    ) -> list[Prediction]:
        """One prediction per ticket, in order.

        Raises
        ------
        Exception
            Whatever `compute` raised on tickets of this request.
        """
        await self._forget_erased()
        told = asked.told()
        keys = [self._key(told, ticket) for ticket in tickets]
        wanted = dict(zip(keys, tickets, strict=True))
        self._metrics.shared.inc(len(tickets) - len(wanted))
        found: dict[bytes, Prediction] = {}
        while missing := {key: one for key, one in wanted.items() if key not in found}:
            found |= await self._look(missing, compute)
        return [
            found[key].model_copy(update={"ticket_id": ticket.id})
            for key, ticket in zip(keys, tickets, strict=True)
        ]

    def _key(self, told: bytes, ticket: Ticket) -> bytes:
        """Of all that a ticket says, as it was written, and of who is asked how."""
        written = ticket.model_dump_json(exclude={"id"}).encode()
        # JSON holds no line break, so what stands before it is not to be taken for the ticket.
        message = told + b"\n" + written
        return hashlib.blake2b(message, key=self._secret, digest_size=KEY_BYTES).digest()

    async def _look(
        self, wanted: Mapping[bytes, Ticket], compute: Compute
    ) -> dict[bytes, Prediction]:
        """Answers to these; of those given up by the request that others waited for, none."""
        followed = {key: self._flights[key] for key in wanted if key in self._flights}
        found = await self._lead(
            {key: ticket for key, ticket in wanted.items() if key not in followed}, compute
        )
        alone: dict[bytes, Ticket] = {}
        for key, flight in followed.items():
            if not flight.done():
                await asyncio.wait([flight])
            if flight.cancelled():
                continue
            answer = flight.result()
            if answer is None:
                alone[key] = wanted[key]
            else:
                found[key] = answer
                self._metrics.shared.inc()
        return found | await self._ask(alone, compute)

    async def _lead(self, own: Mapping[bytes, Ticket], compute: Compute) -> dict[bytes, Prediction]:
        """Answers to these, remembered or computed; others may wait for them meanwhile."""
        if not own:
            return {}
        loop = asyncio.get_running_loop()
        # Never an exception: one that nobody waits for would be logged with its message.
        flights: dict[bytes, asyncio.Future[Prediction | None]]
        flights = {key: loop.create_future() for key in own}
        self._flights |= flights
        found: dict[bytes, Prediction] = {}
        try:
            contents = await self._store.find(list(own))
            for key, content in zip(own, contents, strict=True):
                if content is not None:
                    found[key] = Prediction.model_validate_json(content)
                    flights[key].set_result(found[key])
            self._metrics.hits.inc(len(found))
            if missing := {key: ticket for key, ticket in own.items() if key not in found}:
                found |= await self._compute(missing, compute)
        except asyncio.CancelledError:
            for flight in flights.values():
                flight.cancel()
            raise
        finally:
            for key, flight in flights.items():
                del self._flights[key]
                if not flight.done():
                    flight.set_result(found.get(key))
        return found

    async def _compute(
        self, missing: Mapping[bytes, Ticket], compute: Compute
    ) -> dict[bytes, Prediction]:
        """Answers to these, computed here, or by others who began before."""
        seen = self._seen
        claimed = await self._store.claim(list(missing))
        found: dict[bytes, Prediction] = {}
        try:
            found |= await self._ask({key: missing[key] for key in claimed}, compute)
            if found and seen == self._seen:
                await self._store.put(_contents(found))
        finally:
            self._store.release(claimed)
        # After its own: who waits for others lets nobody wait.
        if others := [key for key in missing if key not in found]:
            told = await self._store.wait(others)
            found |= {key: Prediction.model_validate_json(told[key]) for key in told}
            self._metrics.shared.inc(len(told))
            left = {key: ticket for key, ticket in missing.items() if key not in found}
            found |= await self._ask(left, compute)
        return found

    async def _ask(
        self, tickets: Mapping[bytes, Ticket], compute: Compute
    ) -> dict[bytes, Prediction]:
        """Answers to these, computed here and now."""
        if not tickets:
            return {}
        self._metrics.misses.inc(len(tickets))
        return dict(zip(tickets, await compute(list(tickets.values())), strict=True))

    async def _forget_erased(self) -> None:
        """Forget all answers if anything was erased, by whichever worker."""
        if (now := self._erasures.look()) != self._seen:
            self._seen = now
            await self._store.clear()


def _contents(found: Mapping[bytes, Prediction]) -> dict[bytes, bytes]:
    """What is remembered of answers: without the id of the ticket, and whole ones alone.

    A member that failed once may answer the next time.
    """
    return {
        key: answer.model_copy(update={"ticket_id": None}).model_dump_json().encode()
        for key, answer in found.items()
        if not answer.degraded
    }
