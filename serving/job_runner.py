"""Answers jobs in the event loop of a worker, whenever no single ticket is in the way."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import ParamSpec, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.errors import StoreError
from data.log_lines import anonymous_traceback
from data.schema import Prediction, Ticket
from data.store import Erasure
from serving.correlation import Cause, caused_by
from serving.each import answer_each, read_line
from serving.job_claim import Claim, claim
from serving.job_lines import read_ticket_id
from serving.jobs import Jobs
from serving.problems import ServingError
from serving.settings import Settings

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks for a job that another worker received, or left behind."""

MAKE_WAY = 0.02
"""Seconds after which a job looks again whether single tickets still wait."""


P = ParamSpec("P")
T = TypeVar("T")

AnswerJob = Callable[[tuple[Ticket, ...], str | None], Awaitable[Sequence[Prediction]]]
"""Gives one prediction per ticket, in order; the second is the customer who wrote them all."""

EraseAgain = Callable[[Erasure], Awaitable[object]]


class JobRunner:
    """Takes one job after the other, the oldest first, one encoder batch at a time.

    Parameters
    ----------
    answer : gives one prediction per ticket of an encoder batch
    crowded : whether so many single tickets wait that a job is to make way
    erase_again : told of what was erased while it was being answered, and may be kept since
    """

    def __init__(
        self,
        jobs: Jobs,
        settings: Settings,
        answer: AnswerJob,
        crowded: Callable[[], bool],
        erase_again: EraseAgain | None = None,
    ) -> None:
        self._jobs = jobs
        self._settings = settings
        self._answer = answer
        self._crowded = crowded
        self._erase_again = erase_again
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()

    def start(self) -> None:
        """Begin in the running loop; once is enough."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="jobs")

    def wake(self) -> None:
        """Look for a job now."""
        self.start()
        self._woken.set()

    async def stop(self) -> None:
        """Let go of the job in hand; whoever starts next goes on with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def step(self) -> bool:
        """Answer one job to its end; False where there was none to take."""
        if not await asyncio.to_thread(self._jobs.unfinished):
            return False
        with ExitStack() as held:
            taken = await beside(held.enter_context, claim(self._jobs))
            if taken is None:
                return False
            name = taken.state.correlation
            try:
                with caused_by(None if name is None else Cause(name)):
                    await self._finish(taken)
            except Exception as error:  # noqa: BLE001 - or it would be tried for ever
                logger.error("job %s failed\n%s", taken.state.id, anonymous_traceback(error))
                await beside(taken.fail, f"it could not go on: {type(error).__name__}")
            finally:
                if not taken.state.finished:
                    await beside(taken.keep)
            logger.info("job %s is %s", taken.state.id, taken.state.state)
            return True

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                while await self.step():
                    await asyncio.to_thread(self._jobs.tidy)
            except Exception as error:  # noqa: BLE001 - the outermost edge of a task
                logger.error("jobs are looked at again later\n%s", anonymous_traceback(error))
            try:
                await asyncio.wait_for(self._woken.wait(), LOOK_EVERY)
            except TimeoutError:
                continue

    async def _finish(self, job: Claim) -> None:
        answer = partial(self._told, customer=job.state.customer)
        while not job.cancelled:
            if self._crowded():
                await asyncio.sleep(MAKE_WAY)
                continue
            lines = await beside(job.read, self._settings.encoder_batch)
            if not lines:
                await beside(job.done)
                return
            start = job.state.done
            read = [read_line(line, start + i, self._settings) for i, line in enumerate(lines)]
            try:
                answers = await answer_each(read, answer, start)
            except ServingError as error:  # not ready, overloaded: the job can wait
                await asyncio.sleep(error.retry_after or LOOK_EVERY)
                continue
            if erased := await beside(job.write, lines, answers):
                await self._forget(erased, job.state.customer)
            if job.unsafe:
                await beside(job.keep)
        await beside(job.cancel)

    async def _told(
        self, tickets: tuple[Ticket, ...], customer: str | None
    ) -> Sequence[Prediction]:
        return await self._answer(tickets, customer)

    async def _forget(self, lines: Sequence[bytes], customer: str | None) -> None:
        """Erase again what was answered although it was erased meanwhile; its answer is kept."""
        if self._erase_again is None:
            return
        ids = {ticket for line in lines if (ticket := _id_of(line)) is not None}
        erasures = [Erasure(ticket_id=ticket) for ticket in sorted(ids)]
        if customer is not None:
            erasures.append(Erasure(customer=customer))
        while erasures:
            try:
                await self._erase_again(erasures[0])
                del erasures[0]
            except StoreError:
                await asyncio.sleep(LOOK_EVERY)


async def beside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a blocking call gives, made in a thread; who is cancelled waits for its end first."""
    call = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise


def _id_of(line: bytes) -> str | None:
    try:
        return read_ticket_id(line) or None
    except ValueError:
        return None


class RunsJobs:
    """Starts the runner with the server and stops it with it; the outermost layer.

    Also with the first request, for a server that tells its layers nothing of its start.
    """

    def __init__(self, app: ASGIApp, runner: Callable[[], JobRunner | None]) -> None:
        self.app = app
        self.runner = runner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            self._start()
            await self.app(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._start()
            await send(message)

        async def awaited() -> Message:
            message = await receive()
            runner = self.runner()
            if message["type"] == "lifespan.shutdown" and runner is not None:
                await runner.stop()
            return message

        await self.app(scope, awaited, watched)

    def _start(self) -> None:
        runner = self.runner()
        if runner is not None:
            runner.start()
