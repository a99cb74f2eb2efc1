"""Shadows: asked after the response has gone, in a thread of their own, and told to nobody.

A shadow must cost the customer nothing. Its thread has the lowest priority the system knows, asks
nothing while tickets wait for an answer, and what does not fit into its queue is dropped.
"""

import logging
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from data.errors import ModelError
from data.log_lines import anonymous_traceback
from serving.arms import Recorder, Told, new_id
from serving.running import Serving
from serving.telemetry import Dropped

logger = logging.getLogger(__name__)

BATCH = 8
"""Tickets of one call: a request that comes meanwhile shares the processor until it ends."""

PATIENCE = 0.02
"""Seconds until it is asked again whether tickets wait for an answer."""


class Watcher(Protocol):
    """Told what became of the tickets; `serving.telemetry.Telemetry` is one."""

    def told(self, answers: Sequence[Told]) -> None: ...

    def shadow_dropped(self, reason: Dropped, tickets: int = 1) -> None: ...


@dataclass(frozen=True)
class Showing:
    """A ticket that a shadow is to see; the bundle by its name, so that none is kept alive."""

    version: str
    fraction: float
    told: Told = field(repr=False)


class Shadows:
    """Asks the shadows one after the other; `offer` never blocks.

    Parameters
    ----------
    queue : tickets that wait, at most
    find : the bundle of a version, None where it does not run any more
    idle : whether no ticket waits for its answer
    watcher : told what became of the tickets
    recorder : told of every answer
    """

    def __init__(
        self,
        queue: int,
        find: Callable[[str], Serving | None],
        idle: Callable[[], bool],
        watcher: Watcher,
        recorder: Recorder | None = None,
    ) -> None:
        self.answered: Counter[str] = Counter()
        self._limit = queue
        self._find = find
        self._idle = idle
        self._watcher = watcher
        self._recorder = recorder
        self._queue: deque[Showing] = deque()
        self._changed = threading.Condition()
        self._working = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def offer(self, showing: Showing) -> bool:
        """Let a shadow see a ticket when there is time; False where it is dropped at once."""
        with self._changed:
            if self._closed or len(self._queue) >= self._limit:
                self._watcher.shadow_dropped("full")
                return False
            self._queue.append(showing)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="shadows", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return True

    @property
    def waiting(self) -> int:
        """Tickets that wait to be shown."""
        return len(self._queue)

    def join(self, seconds: float) -> bool:
        """Wait until nothing is queued or running; False where that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._working, seconds)

    def close(self) -> None:
        """Take no more, drop what waits and let the running call end."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _work(self) -> None:
        yield_to_others()
        while batch := self._next():
            try:
                self._ask(batch)
            except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
                self._watcher.shadow_dropped("failed", len(batch))
                logger.error(
                    "shadow %s failed\n%s", batch[0].version, anonymous_traceback(error)
                )  # fmt: skip
            with self._changed:
                self._working = False
                self._changed.notify_all()

    def _next(self) -> list[Showing]:
        """The next tickets for one shadow, once nobody waits for an answer; empty at the end."""
        with self._changed:
            while not self._closed:
                if self._queue and self._idle():
                    self._working = True
                    return self._gather()
                self._changed.wait(PATIENCE if self._queue else None)
        return []

    def _gather(self) -> list[Showing]:
        batch = [self._queue.popleft()]
        while self._queue and len(batch) < BATCH and self._queue[0].version == batch[0].version:
            batch.append(self._queue.popleft())
        return batch

    def _ask(self, batch: Sequence[Showing]) -> None:
        version = batch[0].version
        serving = self._find(version)
        if serving is None:
            self._watcher.shadow_dropped("withdrawn", len(batch))
            return
        predictions = serving.assistant.predict([one.told.ticket for one in batch])
        if len(predictions) != len(batch):
            raise ModelError(f"{len(batch)} tickets got {len(predictions)} predictions")
        answers = []
        for one, prediction in zip(batch, predictions, strict=True):
            now = time.time_ns()
            named = {"id": new_id(now), "arm": "shadow"}
            answers.append(
                replace(
                    one.told,
                    id=named["id"],
                    at=datetime.fromtimestamp(now / 1e9, UTC),
                    prediction=prediction.model_copy(update=named),
                    arm="shadow",
                    propensity=one.fraction,
                    beside=one.told.id,
                )
            )
        self.answered[version] += len(answers)
        self._watcher.told(answers)
        if self._recorder is not None:
            self._recorder(answers)


def yield_to_others() -> None:
    """Give the calling thread the lowest priority, where threads have one of their own."""
    # Elsewhere the call would speak of a process that happens to have this number.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
