"""What people say of answers, on its way into the store, or onto the disk until the store is back.

As long as anything waits on disk, all feedback goes there: so it reaches the store in the order in
which it came. A thread of each worker hands it over.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Literal, NamedTuple

from data.errors import ConflictError, DataError, StoreError
from data.store import Feedback, FeedbackStatus, Store
from serving.calls import Calls
from serving.spool import Spool

logger = logging.getLogger(__name__)

Kept = Literal["stored", "spooled"]
"""`stored`: in the store. `spooled`: on this machine's disk, until the store takes it."""


class Taken(NamedTuple):
    """Where feedback is kept, and where each of it stands; durable either way."""

    kept: Kept
    statuses: tuple[FeedbackStatus, ...]


class UnansweredTargetsError(DataError):
    """Feedback speaks of targets that its predictions did not answer: see `places`."""

    def __init__(self, places: Sequence[int]) -> None:
        super().__init__(f"{len(places)} targets are not ones their predictions answered")
        self.places = tuple(places)


class FeedbackDesk:
    """Takes feedback whatever state the store is in.

    Parameters
    ----------
    calls : where the store is asked, in time
    disk : where the spool is asked; not the same, as a store that hangs holds up all its threads
    retry_seconds : between two attempts to hand over what waits on disk
    """

    def __init__(
        self, store: Store, spool: Spool, calls: Calls, disk: Calls, retry_seconds: float = 5.0
    ) -> None:
        self._store = store
        self._spool = spool
        self._calls = calls
        self._disk = disk
        self._retry_seconds = retry_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._hand_over, name="spool", daemon=True)
        self._thread.start()

    async def take(self, rows: Sequence[Feedback]) -> Taken:
        """Keep feedback, all or none; it is durable when this returns.

        Raises
        ------
        ConflictError
            If a key was used before with other content.
        UnansweredTargetsError
            If the store knows that a prediction did not answer the target. What is spooled is
            looked at when the store is back: it is then set aside on disk.
        StoreError
            If neither the store nor the spool can take it.
        """
        if self._spool.is_empty:
            try:
                stored = await self._calls.ask(self._store.add_feedback, rows)
                return Taken("stored", tuple(row.status for row in stored))
            except StoreError as error:
                logger.warning("%d feedback records are spooled: %s", len(rows), error)
            except ConflictError:
                raise
            except DataError:
                if not (places := await self._unanswered(rows)):
                    raise
                raise UnansweredTargetsError(places) from None
        # Of a call that took too long nobody knows what became; its keys count once in any case.
        await self._disk.ask(self._spool.append, rows)
        waiting: FeedbackStatus = "pending"
        return Taken("spooled", (waiting,) * len(rows))

    def close(self) -> None:
        """Stop handing over; what waits stays on disk."""
        self._closing.set()
        self._thread.join(self._retry_seconds)

    async def _unanswered(self, rows: Sequence[Feedback]) -> list[int]:
        """Places of the rows whose target their prediction did not answer."""
        found = await self._calls.ask(
            lambda: {row.prediction_id: self._store.find(row.prediction_id) for row in rows}
        )
        return [
            place
            for place, row in enumerate(rows)
            if (answered := found[row.prediction_id]) is not None
            and row.target not in answered.stored.prediction.targets
        ]

    def _hand_over(self) -> None:
        while not self._closing.is_set():
            try:
                if handed := self._spool.replay(self._store.add_feedback):
                    logger.info("handed %d spooled feedback records to the store", handed)
            except StoreError:
                pass  # told when the first record was spooled
            except Exception as error:  # noqa: BLE001 - the outermost edge of this thread
                logger.error("spooled feedback is not handed over: %s", type(error).__name__)
            self._closing.wait(self._retry_seconds)
