"""What a client was told, so that it can be asked afterwards what of it is still there."""

import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple


class Prediction(NamedTuple):
    """A ticket that was answered."""

    id: str
    asked: float
    """When it was asked, by the monotonic clock of the client."""
    told: float


class Said(NamedTuple):
    """Feedback that was acknowledged."""

    key: str
    kept: str
    """`stored` or `spooled`, as the service has it."""
    told: float


class Failure(NamedTuple):
    """A request without an answer that helps."""

    asked: float
    told: float
    path: str
    what: str
    """Status, or the name of what broke the connection."""


@dataclass
class Ledger:
    """Filled by several threads at once."""

    sent: int = 0
    predictions: list[Prediction] = field(default_factory=list)
    feedback: list[Said] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def asked(self) -> float:
        """Count a request that is sent now; gives the moment."""
        with self._lock:
            self.sent += 1
        return time.monotonic()

    def predicted(self, id: str, asked: float) -> None:
        with self._lock:
            self.predictions.append(Prediction(id, asked, time.monotonic()))

    def took(self, key: str, kept: str) -> None:
        with self._lock:
            self.feedback.append(Said(key, kept, time.monotonic()))

    def failed(self, path: str, what: str, asked: float) -> None:
        with self._lock:
            self.failures.append(Failure(asked, time.monotonic(), path, what))

    @property
    def acknowledged(self) -> int:
        """Records that the service said it has."""
        return len(self.predictions) + len(self.feedback)

    @property
    def spooled(self) -> int:
        """Feedback that was taken while the store was away."""
        return sum(said.kept == "spooled" for said in self.feedback)

    def outside(self, begin: float, end: float) -> list[Failure]:
        """Failures of requests that were not under way between two moments."""
        return [one for one in self.failures if one.told < begin or one.asked > end]

    def slowest(self, begin: float, end: float) -> float:
        """Seconds of the slowest ticket answered between two moments; 0 where there was none."""
        times = [one.told - one.asked for one in self.predictions if begin <= one.told <= end]
        return max(times, default=0.0)

    def told_between(self, begin: float, end: float) -> set[str]:
        """Ids of what was predicted then."""
        return {one.id for one in self.predictions if begin <= one.told <= end}


def in_words(failures: Collection[Failure]) -> str:
    """How many failed of which kind: `3 x 503, 1 x ConnectionResetError`."""
    kinds = Counter(failure.what for failure in failures)
    return ", ".join(f"{number} x {what}" for what, number in kinds.most_common()) or "none"
