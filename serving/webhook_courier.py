"""Delivers the events of one endpoint: takes what is due, a few at once, and notes what became."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from data.errors import CatalogError
from data.outbox_records import Entry, Outcome
from serving.webhook_endpoints import Endpoint
from serving.webhook_metrics import WebhookMetrics
from serving.webhook_posting import Attempt, post
from serving.webhook_schedule import wait_after
from serving.webhook_signing import Secret, sign

if TYPE_CHECKING:
    from data.outbox import Outbox

logger = logging.getLogger(__name__)

BATCH = 32
"""Events taken at once; after a kill so many may be told twice."""

AT_ONCE = 8
"""Requests to one endpoint at the same time."""

HEADERS = {
    "content-type": "application/json",
    "user-agent": "ticket-assistant",
    "connection": "close",
}

MOST_ASKED = 3_600.0
"""Seconds that a receiver may put an attempt off by `Retry-After`."""

LONGEST_REST = 60.0
"""Seconds without any attempt after all of a batch failed, at most."""


class Post(Protocol):
    """Makes one attempt; `serving.webhook_posting.post` does."""

    def __call__(
        self, endpoint: Endpoint, headers: dict[str, str], body: bytes, seconds: float
    ) -> Attempt: ...


@dataclass(frozen=True)
class Terms:
    """How delivering is tried."""

    attempts: int = 12
    """After so many an event is given up."""
    first_seconds: float = 5.0
    """Between the first attempt and the second, about."""
    seconds: float = 10.0
    """For one attempt, altogether."""
    poll_seconds: float = 1.0
    """Between two looks while nothing is due."""


@dataclass
class Courier:
    """Works for one endpoint, in the thread that calls `run`."""

    name: str
    endpoint: Endpoint
    outbox: "Outbox"
    metrics: WebhookMetrics
    terms: Terms = Terms()
    post: Post = post
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    draw: random.Random = field(default_factory=random.Random)
    _failing: bool = False

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop.

        Raises
        ------
        StoreError
            If the outbox cannot be asked.
        """
        failures = 0
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"webhook-{self.name}") as threads:
            while not stop.is_set():
                taken, delivered = self.step(threads, stop)
                failures = 0 if delivered or not taken else failures + 1
                if failures:
                    rest = self._after(failures).total_seconds()
                    stop.wait(min(rest, LONGEST_REST))
                elif not taken:
                    stop.wait(self.terms.poll_seconds)

    def step(self, threads: ThreadPoolExecutor, stop: threading.Event) -> tuple[int, int]:
        """One batch: how many were taken, and how many of them delivered."""
        taken = self.outbox.take(self.name, BATCH, self.clock(), self._put_off)
        if not taken:
            return 0, 0
        try:
            keys = self.endpoint.secrets()
        except CatalogError as error:
            # Nobody is asked, so that this is no reason ever to give up.
            logger.error("events for %s cannot be signed: %s", self.name, error)
            now = self.clock()
            self.outbox.settle(
                [
                    Outcome(one, False, "no secret", now + self._after(one.attempts + 1))
                    for one in taken
                ]
            )
            return len(taken), 0
        outcomes = list(threads.map(lambda entry: self._deliver(entry, keys, stop), taken))
        tried = [outcome for outcome in outcomes if outcome is not None]
        self.outbox.settle(tried)
        self._tell(tried)
        if len(tried) < len(taken):
            left = [entry for entry, one in zip(taken, outcomes, strict=True) if one is None]
            self.outbox.give_back(left)
        return len(taken), sum(outcome.delivered for outcome in tried)

    def _tell(self, outcomes: list[Outcome]) -> None:
        """Say once that an endpoint takes nothing, and once that it takes events again."""
        works = any(outcome.delivered for outcome in outcomes)
        if outcomes and not works and not self._failing:
            told = ", ".join(sorted({outcome.told for outcome in outcomes}))
            logger.warning("events for %s are not taken and wait: %s", self.name, told)
        elif works and self._failing:
            logger.info("events for %s are taken again", self.name)
        if outcomes:
            self._failing = not works

    def _put_off(self, attempt: int) -> timedelta:
        # Not before this batch has ended, however slow the receiver is.
        batch = timedelta(seconds=self.terms.seconds * BATCH / AT_ONCE)
        return batch + self._after(attempt)

    def _deliver(
        self, entry: Entry, keys: Sequence[Secret], stop: threading.Event
    ) -> Outcome | None:
        """What became of an attempt; None where there was none, as all is to end."""
        if stop.is_set():
            return None
        body = entry.body.encode()
        number = entry.attempts + 1
        signed = sign(keys, entry.id, self.clock(), body)
        attempt = self.post(self.endpoint, {**signed, **HEADERS}, body, self.terms.seconds)
        self.metrics.attempted(self.name, attempt)
        if attempt.result == "delivered":
            return Outcome(entry, True, attempt.told, None)
        last = number >= self.terms.attempts or attempt.result == "gone"
        if last:
            logger.error(
                "%s %s for %s is given up after %d attempts: %s",
                entry.kind, entry.id, self.name, number, attempt.told,
            )  # fmt: skip
            self.metrics.gave_up(self.name)
            return Outcome(entry, False, attempt.told, None)
        asked = timedelta(seconds=min(attempt.retry_after or 0, MOST_ASKED))
        return Outcome(entry, False, attempt.told, self.clock() + max(self._after(number), asked))

    def _after(self, attempt: int) -> timedelta:
        return wait_after(attempt, self.terms.first_seconds, self.draw)
