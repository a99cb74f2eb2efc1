"""Answers jobs in the event loop of a worker, whenever no single ticket is in the way."""

import asyncio
import logging
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.each import Answer, answer_each, read_line
from serving.edge import anonymous_traceback
from serving.job_claim import Claim, claim
from serving.jobs import Jobs
from serving.problems import ServingError
from serving.settings import Settings

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks for a job that another worker received, or left behind."""

MAKE_WAY = 0.02
"""Seconds after which a job looks again whether single tickets still wait."""


class JobRunner:
    """Takes one job after the other, the oldest first, one encoder batch at a time.

    Parameters
    ----------
    answer : gives one prediction per ticket of an encoder batch
    crowded : whether so many single tickets wait that a job is to make way
    """

    def __init__(
        self, jobs: Jobs, settings: Settings, answer: Answer, crowded: Callable[[], bool]
    ) -> None:
        self._jobs = jobs
        self._settings = settings
        self._answer = answer
        self._crowded = crowded
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
        with claim(self._jobs) as taken:
            if taken is None:
                return False
            try:
                await self._finish(taken)
            except Exception as error:  # noqa: BLE001 - or it would be tried for ever
                logger.error("job %s failed\n%s", taken.state.id, anonymous_traceback(error))
                taken.fail(f"it could not go on: {type(error).__name__}")
            finally:
                if not taken.state.finished:
                    taken.keep()
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
        while not job.cancelled:
            if self._crowded():
                await asyncio.sleep(MAKE_WAY)
                continue
            lines = job.read(self._settings.encoder_batch)
            if not lines:
                job.done()
                return
            start = job.state.done
            read = [read_line(line, start + i, self._settings) for i, line in enumerate(lines)]
            try:
                answers = await answer_each(read, self._answer, start)
            except ServingError as error:  # not ready, overloaded: the job can wait
                await asyncio.sleep(error.retry_after or LOOK_EVERY)
                continue
            job.write(lines, answers)
            if job.unsafe:
                await asyncio.to_thread(job.keep)
        job.cancel()


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
