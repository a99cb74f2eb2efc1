"""All that serving keeps, and the threads that keep it: store, spool, predictions on their way."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from pydantic import Field

from data.store import Erased, Erasure, Query, Store
from serving.arms import Told
from serving.cache_erasures import Erasures
from serving.calls import Calls
from serving.costs import Costs
from serving.feedback import FeedbackDesk
from serving.job_erasure import erase_in_jobs
from serving.jobs import Jobs
from serving.recording import Behind, PredictionWriter
from serving.settings import Settings
from serving.spool import Spool

P = ParamSpec("P")
T = TypeVar("T")


class ErasedEverywhere(Erased):
    """What an erasure took from the store, and from what was on its way there."""

    waiting: int = Field(ge=0, description="predictions that were not written yet")
    spooled: int = Field(ge=0, description="feedback that waited on disk")
    jobs: int = Field(ge=0, description="tickets of files that were sent as jobs")


class Archive:
    """What routes ask and the service closes; build it in the worker, not before it forks.

    Parameters
    ----------
    observe : told how far the store is behind what was answered
    jobs : whose files an erasure reaches too

    Raises
    ------
    CatalogError
        If the cost matrix cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        observe: Callable[[Behind], None] | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        self.settings = settings
        self._jobs = jobs
        self._erased = Erasures.of(settings)
        self._costs = Costs() if settings.cost_matrix is None else Costs.read(settings.cost_matrix)
        self.store = store
        self.spool = Spool(settings.spool, settings.spool_bytes)
        seconds = settings.store_timeout_seconds
        self._calls = Calls("store", settings.store_threads, seconds)
        self._disk = Calls("spool", 1, seconds)
        # A great erasure takes longer than a request, and goes on when nobody waits for it.
        self._erasures = Calls("erasure", 1, settings.timeout_seconds)
        self.writer = PredictionWriter(
            store,
            self._costs,
            settings.record_lag_ms / 1000,
            settings.record_waiting,
            observe=observe,
        )
        self.desk = FeedbackDesk(store, self.spool, self._calls, self._disk, settings.spool_seconds)

    def know(self, version: str, targets: Mapping[str, Sequence[str]]) -> None:
        """Remember the labels of a bundle before it answers.

        Raises
        ------
        CatalogError
            If the cost matrix names what this bundle does not know; it is remembered all the same.
        """
        self.writer.know(version, targets)
        self._costs.require_known(targets, f"cost_matrix {self.settings.cost_matrix}")

    def record(self, told: Sequence[Told]) -> None:
        """Take answers to be stored; never waits. For shadows, whose answers nobody waits for."""
        self.writer.put(told)

    async def keep(self, told: Sequence[Told]) -> None:
        """Take answers to be stored; where no lag is allowed, wait for that as long as may be.

        A store that is down or slow holds an answer up for `store_timeout_seconds` at most, and the
        rows stay on their way.
        """
        written = self.writer.put(told)
        if self.settings.record_lag_ms == 0:
            waiting = asyncio.wrap_future(written)
            await asyncio.wait([waiting], timeout=self.settings.store_timeout_seconds)

    async def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a method of the store gives, asked beside the event loop.

        Raises
        ------
        StoreError
            If it takes too long, or the store cannot be reached.
        """
        return await self._calls.ask(function, *args, **kwargs)

    async def erase(self, erasure: Erasure, actor: str, at: datetime) -> ErasedEverywhere:
        """Remove a ticket or customer from the store, the spool, jobs and what waits to be written.

        All workers of this machine forget what they answered, too.

        Raises
        ------
        StoreError
            If the store cannot be reached, the disk fails, or it takes too long: erase again.
        """
        return await self._erasures.ask(self._erase, erasure, actor, at)

    async def erase_again(self, erasure: Erasure) -> ErasedEverywhere:
        """Erase what a job answered although it was erased meanwhile.

        Raises
        ------
        StoreError
            As `erase` does.
        """
        return await self.erase(erasure, "jobs", datetime.now(UTC))

    def close(self) -> None:
        """Write what waits, end the threads, close the store."""
        self.writer.close()
        self.desk.close()
        for calls in (self._calls, self._disk, self._erasures):
            calls.close()
        self.store.close()

    def _erase(self, erasure: Erasure, actor: str, at: datetime) -> ErasedEverywhere:
        query = Query(ticket_id=erasure.ticket_id, customer=erasure.customer)
        stored: set[str] = set()
        tickets = set() if erasure.ticket_id is None else {erasure.ticket_id}
        for answered in self.store.stream(query):
            stored.add(answered.stored.id)
            if answered.stored.ticket.id is not None:
                tickets.add(answered.stored.ticket.id)
        jobs = 0
        if self._jobs is not None:
            jobs = erase_in_jobs(self._jobs, erasure, tickets)
            # Jobs asked until here for what is gone: the store is to refuse those answers.
            at = max(at, datetime.now(UTC))
        waiting = self.writer.discard(erasure) - stored
        # The store last: the spool knows feedback by its prediction alone, and were the store to
        # forget first and the disk then to fail, nobody could tell any more what to look for.
        spooled = self.spool.erase(stored | waiting)
        gone = self.store.erase(erasure, actor, at)
        # Last: what is answered from now on is not remembered from before.
        if self.settings.cache != "off":
            self._erased.tell()
        return ErasedEverywhere(
            predictions=gone.predictions,
            feedback=gone.feedback,
            waiting=len(waiting),
            spooled=spooled,
            jobs=jobs,
        )
