"""Predictions on their way into the store, in small batches and off the path of the request.

One thread writes. What waits is lost if the process is killed: at most what the lag lets gather, as
long as the store takes it; `behind` measures it. A lag of 0 has each row written at once, and who
waits for `put` answers only then.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from data.errors import StoreError
from data.store import Erasure, Store
from serving.arms import Told
from serving.costs import Costs
from serving.waiting import Waiting

logger = logging.getLogger(__name__)


class Behind(NamedTuple):
    """How far the store is behind what was answered."""

    rows: int
    """Waiting to be written."""
    seconds: float
    """Since the oldest of them was answered; 0 if none waits."""
    written: int
    """Since the start."""
    dropped: int
    """Since the start, because too many waited or the store would not have them."""


class PredictionWriter:
    """Takes answers at once, masks them and writes them when the store lets it.

    Parameters
    ----------
    costs : of wrong decisions, for the order of the review
    lag_seconds : how long rows gather before they are written
    max_waiting : rows held while the store does not take them; what comes then is dropped
    batch : rows of one transaction, at most
    retry_seconds : between two attempts while the store is down
    observe : told how far behind the store is when rows were written, at every retry, at the end,
        and whenever somebody calls `tell`
    """

    def __init__(
        self,
        store: Store,
        costs: Costs | None = None,
        lag_seconds: float = 0.5,
        max_waiting: int = 5_000,
        batch: int = 200,
        retry_seconds: float = 1.0,
        observe: Callable[[Behind], None] | None = None,
    ) -> None:
        self.lag_seconds = lag_seconds
        self.max_waiting = max_waiting
        self._store = store
        self._costs = costs or Costs()
        self._batch = batch
        self._retry_seconds = retry_seconds
        self._observe = observe
        self._queue: deque[Waiting] = deque()
        self._writing: list[Waiting] = []
        self._targets: dict[str, Mapping[str, Sequence[str]]] = {}
        self._known: set[str] = set()
        self._written = 0
        self._dropped = 0
        self._closing = False
        self._down = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def behind(self) -> Behind:
        """How far the store is behind, now."""
        with self._changed:
            waiting = self._writing or self._queue
            seconds = time.monotonic() - waiting[0].since if waiting else 0.0
            rows = len(self._writing) + len(self._queue)
            return Behind(rows, seconds, self._written, self._dropped)

    def know(self, version: str, targets: Mapping[str, Sequence[str]]) -> None:
        """Remember which labels a bundle may answer; the store is told before its first row."""
        with self._changed:
            self._targets[version] = targets
            self._known.discard(version)

    def put(self, told: Sequence[Told]) -> "Future[None]":
        """Take answers, without waiting for anything; what does not fit is dropped and counted.

        Returns
        -------
        A future that is done when they are written, or will not be.
        """
        now = time.monotonic()
        rows = [Waiting(one, now) for one in told]
        with self._changed:
            room = self.max_waiting - len(self._queue) - len(self._writing)
            taken = rows[: max(0, room)] if not self._closing else []
            first = not self._queue
            self._queue += taken
            self._dropped += len(rows) - len(taken)
            # The thread sleeps until the first row is due; the others need not wake it.
            if first or len(self._queue) >= self._batch:
                self._changed.notify_all()
        if taken:
            return taken[-1].done
        nothing: Future[None] = Future()
        nothing.set_result(None)
        return nothing

    def discard(self, erasure: Erasure) -> set[str]:
        """Forget what waits of a ticket or customer; the ids of those predictions.

        One that is being written at this moment is named too, and not tried again. Whether the
        store has it then is for the store to tell, which refuses it once the erasure is logged.
        """
        with self._changed:
            gone = {row for row in (*self._writing, *self._queue) if row.is_of(erasure)}
            self._queue = deque(row for row in self._queue if row not in gone)
            self._writing = [row for row in self._writing if row not in gone]
        for row in gone:
            row.finish()
        return {row.told.id for row in gone}

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits and end; what is not written by then is lost, counted and logged."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(seconds)
        with self._changed:
            left = [*self._writing, *self._queue]
            self._queue.clear()
            self._writing = []
            self._dropped += len(left)
        if left:
            logger.error("%d predictions were not stored before the end", len(left))
        for row in left:
            row.finish()
        self.tell()

    def tell(self) -> None:
        """Tell who observes how far the store is behind; answers do not, as each would."""
        if self._observe is not None:
            self._observe(self.behind)

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._write(batch)
            except StoreError as error:
                if not self._down:
                    logger.warning("%d predictions wait for the store: %s", len(batch), error)
                self._down = True
                if not self._wait_to_retry():
                    return
            except Exception as error:  # noqa: BLE001 - the outermost edge of this thread
                logger.error("predictions are written one by one: %s", type(error).__name__)
                if not self._one_by_one(batch):
                    return
            self.tell()

    def _next(self) -> list[Waiting]:
        """The rows to write, as soon as they are due; none when all is written at the end."""
        with self._changed:
            while not self._closing and len(self._queue) < self._batch:
                due = self._queue[0].since + self.lag_seconds if self._queue else None
                if due is not None and due <= time.monotonic():
                    break
                self._changed.wait(None if due is None else due - time.monotonic())
            self._writing = [self._queue.popleft() for _ in range(self._batch) if self._queue]
            return list(self._writing)

    def _write(self, rows: Sequence[Waiting]) -> None:
        self._introduce({row.version for row in rows})
        self._store.add_predictions(
            [row.stored(self._costs, self._targets.get(row.version)) for row in rows]
        )
        self._finish(rows, written=True)

    def _introduce(self, versions: Iterable[str]) -> None:
        """Tell the store of bundles it does not know yet."""
        for version in versions:
            with self._changed:
                targets = None if version in self._known else self._targets.get(version)
            if targets is not None:
                self._store.know_bundle(version, targets)
                self._known.add(version)

    def _one_by_one(self, rows: Sequence[Waiting]) -> bool:
        """Write rows that were refused together, and drop those that are to blame."""
        for row in rows:
            try:
                self._write([row])
            except StoreError:
                return self._wait_to_retry()
            except Exception as error:  # noqa: BLE001 - the outermost edge of this thread
                logger.error("a prediction cannot be stored: %s", type(error).__name__)
                self._finish([row], written=False)
        return True

    def _finish(self, rows: Sequence[Waiting], *, written: bool) -> None:
        finished = set(rows)
        with self._changed:
            self._writing = [row for row in self._writing if row not in finished]
            if written:
                self._written += len(rows)
                self._down = False
            else:
                self._dropped += len(rows)
        for row in rows:
            row.finish()

    def _wait_to_retry(self) -> bool:
        """Put back what was not written and wait; False if there is no time left to."""
        with self._changed:
            self._queue.extendleft(reversed(self._writing))
            self._writing = []
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, self._retry_seconds)
                return True
            return False
