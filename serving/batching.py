"""Requests that arrive together share one encoder call.

There is no waiting window: while the one worker thread is busy, tickets gather, and the next call
takes what has gathered. An idle service answers a lone ticket at once. The oldest ticket is always
in the next call, in the company of those alike in length (`grouping`); one that has been passed
over for longer than a stated time is passed over no more.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from data.errors import ModelError
from data.schema import Neighbour, Prediction, Ticket
from serving.grouping import CallLimits, cut, estimate_tokens
from serving.problems import OverloadedError


class Assistant(Protocol):
    """What the batcher asks of a loaded bundle."""

    def predict(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]: ...

    def decide(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]: ...

    def find_similar(self, texts: Sequence[str], k: int) -> list[tuple[Neighbour, ...]]: ...


@dataclass(eq=False, frozen=True)
class Job:
    """Tickets of one request that go through the encoder together.

    Attributes
    ----------
    longest : tokens of its longest ticket
    since : when it came, by the monotonic clock
    """

    assistant: Assistant
    tickets: Sequence[Ticket]
    answer: asyncio.Future[list[Prediction]]
    longest: int
    since: float

    def goes_with(self, other: "Job") -> bool:
        """Whether one call may answer both."""
        return self.assistant is other.assistant


class Batcher:
    """Gathers tickets for one worker thread; call it from one event loop.

    A request names the assistant that answers it, so one that began with a bundle ends with it.
    A large request puts one encoder call at a time into the queue, so that single tickets pass
    between its parts instead of waiting for the whole of it.

    Parameters
    ----------
    encoder_batch : tickets of one encoder call, at most
    max_waiting : tickets accepted and not yet answered, at most
    observe : told the number of tickets and the seconds of every encoder call
    encoder_tokens : padded tokens of one encoder call, at most, unless one ticket alone has more
    max_overtaken_ms : once a request has waited so long, none that came later goes before it
    """

    def __init__(
        self,
        encoder_batch: int = 32,
        max_waiting: int = 512,
        observe: Callable[[int, float], None] | None = None,
        *,
        encoder_tokens: int = 4096,
        max_overtaken_ms: float = 25.0,
    ) -> None:
        self.limits = CallLimits(encoder_batch, encoder_tokens)
        self.max_waiting = max_waiting
        self.max_overtaken = max_overtaken_ms / 1000
        self.waiting = 0
        self._observe = observe
        self._queue: deque[Job] = deque()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._draining: asyncio.Task[None] | None = None
        self._busy_since: float | None = None
        self._seconds_per_ticket = 0.01

    @property
    def busy_seconds(self) -> float:
        """How long the running encoder call has been running; 0 when there is none."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    async def predict(self, assistant: Assistant, tickets: Sequence[Ticket]) -> list[Prediction]:
        """One prediction per ticket, in order.

        Raises
        ------
        OverloadedError
            At once, when the tickets would not fit into the queue.
        Exception
            Whatever the assistant raised on these very tickets.
        """
        with self._admitted(len(tickets)):
            lengths = [estimate_tokens(ticket) for ticket in tickets]
            found: dict[int, Prediction] = {}
            for part in cut(lengths, self.limits):
                longest = max(lengths[row] for row in part)
                answers = await self._submit(assistant, [tickets[row] for row in part], longest)
                found.update(zip(part, answers, strict=True))
            return [found[row] for row in range(len(tickets))]

    async def find_similar(
        self, assistant: Assistant, ticket: Ticket, k: int
    ) -> tuple[Neighbour, ...]:
        """The k nearest past tickets, found on the worker thread between two encoder calls.

        Raises
        ------
        OverloadedError
            At once, when too many tickets wait.
        NoMemoryError
            If the assistant keeps no past tickets.
        """
        with self._admitted(1):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, self._search, assistant, ticket, k)

    @contextmanager
    def _admitted(self, tickets: int) -> Iterator[None]:
        """Count tickets as waiting, or raise OverloadedError."""
        if self.waiting + tickets > self.max_waiting:
            raise OverloadedError(
                self.waiting, self.max_waiting, self.waiting * self._seconds_per_ticket
            )
        self.waiting += tickets
        try:
            yield
        finally:
            self.waiting -= tickets

    def close(self) -> None:
        """Let the running call end and take no more."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _submit(
        self, assistant: Assistant, tickets: Sequence[Ticket], longest: int
    ) -> asyncio.Future[list[Prediction]]:
        answer: asyncio.Future[list[Prediction]] = asyncio.get_running_loop().create_future()
        self._queue.append(Job(assistant, tickets, answer, longest, time.monotonic()))
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
        return answer

    async def _drain(self) -> None:
        while self._queue:
            await self._answer(self._gather())

    def _gather(self) -> list[Job]:
        """The jobs of the next call, the oldest among them; abandoned ones are left out."""
        waiting = [job for job in self._queue if not job.answer.done()]
        if not waiting:
            self._queue.clear()
            return []
        chosen = choose(waiting, self.limits, time.monotonic() - self.max_overtaken)
        taken = set(chosen)
        self._queue = deque(job for job in waiting if job not in taken)
        return chosen

    async def _answer(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        tickets = [ticket for job in jobs for ticket in job.tickets]
        call = asyncio.get_running_loop().run_in_executor(
            self._worker, self._ask, jobs[0].assistant, tickets
        )
        await asyncio.wait([call])
        error = call.exception()
        if error is not None and len(jobs) > 1:
            # A ticket that breaks the model must not take the answers of its neighbours along.
            for job in jobs:
                await self._answer([job])
            return
        start = 0
        for job in jobs:
            stop = start + len(job.tickets)
            if job.answer.done():
                pass
            elif error is not None:
                job.answer.set_exception(error)
            else:
                job.answer.set_result(call.result()[start:stop])
            start = stop

    def _search(self, assistant: Assistant, ticket: Ticket, k: int) -> tuple[Neighbour, ...]:
        self._busy_since = time.monotonic()
        try:
            return assistant.find_similar([ticket.full_text], k)[0]
        finally:
            self._busy_since = None

    def _ask(self, assistant: Assistant, tickets: Sequence[Ticket]) -> list[Prediction]:
        self._busy_since = began = time.monotonic()
        try:
            predictions = assistant.predict(tickets)
        finally:
            self._busy_since = None
        seconds = time.monotonic() - began
        if len(predictions) != len(tickets):
            raise ModelError(f"{len(tickets)} tickets got {len(predictions)} predictions")
        self._seconds_per_ticket += 0.1 * (seconds / len(tickets) - self._seconds_per_ticket)
        if self._observe is not None:
            self._observe(len(tickets), seconds)
        return predictions


class Call:
    """One encoder call that is being put together, within its limits."""

    def __init__(self, oldest: Job, limits: CallLimits) -> None:
        self.jobs = [oldest]
        self._limits = limits
        self._tickets, self._longest = len(oldest.tickets), oldest.longest

    def take(self, job: Job) -> bool:
        """Take a job along if it belongs to the others and fits; whether it did."""
        tickets, longest = self._tickets + len(job.tickets), max(self._longest, job.longest)
        if not self.jobs[0].goes_with(job) or not self._limits.allow(tickets, longest):
            return False
        self.jobs.append(job)
        self._tickets, self._longest = tickets, longest
        return True


def choose(waiting: Sequence[Job], limits: CallLimits, overdue: float) -> list[Job]:
    """Jobs that share the next call: the oldest, then those most alike in length.

    Parameters
    ----------
    waiting : in the order in which they came; at least one
    overdue : what came before this moment is overtaken by nothing that came after it
    """
    oldest, *others = waiting
    call = Call(oldest, limits)
    for job in others:
        if job.since <= overdue and not call.take(job):
            return call.jobs
    young = [job for job in others if job.since > overdue]
    for job in sorted(young, key=lambda job: abs(job.longest - oldest.longest)):
        call.take(job)
    return call.jobs
