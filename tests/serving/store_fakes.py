"""A store in memory that can be down, slow or strict, and rows to put into it."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from data.errors import DataError, StoreError
from data.schema import Candidate, Neighbour, Prediction, TargetPrediction, Ticket
from data.store import (
    Answered,
    Erased,
    Erasure,
    Feedback,
    Query,
    StoredFeedback,
    StoredPrediction,
)
from serving import feedback_routes, history_routes, review_routes
from serving.archive import Archive
from serving.arms import Told
from serving.settings import Settings
from tests.stores import MemoryStore

BEGAN = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LABELS = {"category": ("network", "printer", "workplace")}


def prediction_row(number: int = 1, **changes: Any) -> StoredPrediction:
    """A prediction of one target, sent to review; the number tells id, ticket and moment."""
    answer = TargetPrediction(
        label="network",
        confidence=0.6,
        decision="review",
        reason="below_threshold",
        shortlist=(
            Candidate(label="network", probability=0.6),
            Candidate(label="printer", probability=0.3),
        ),
    )
    facts: dict[str, Any] = {
        "id": f"{number:032x}",
        "at": BEGAN + timedelta(seconds=number),
        "ticket": Ticket(id=f"T-{number}", subject="", text=f"invented text number {number}"),
        "customer": None,
        "prediction": Prediction(
            ticket_id=f"T-{number}",
            bundle="invented-0a1b2c3d",
            fallback=True,
            language="en",
            targets={"category": answer},
            similar=(Neighbour(id="T-0", similarity=0.8, labels={"category": "network"}),),
        ),
        "arm": "champion",
        "propensity": 1.0,
        "audit": False,
        "audit_propensity": 0.1,
        "cost": {"category": 0.4},
    }
    return StoredPrediction.model_validate({**facts, **changes})


def feedback_row(number: int = 1, key: str | None = None, **changes: Any) -> Feedback:
    """A confirmation of prediction `number`."""
    facts: dict[str, Any] = {
        "key": key or f"key-{number}",
        "prediction_id": f"{number:032x}",
        "target": "category",
        "verdict": "confirm",
        "at": BEGAN + timedelta(hours=1, seconds=number),
    }
    return Feedback.model_validate({**facts, **changes})


class FakeStore(MemoryStore):
    """A store in memory that can be down, hang, or refuse.

    Attributes
    ----------
    down : every call raises StoreError
    gate : calls wait while it is closed
    asked : set as soon as a call has begun
    refuses : ids of predictions it calls wrong data
    introduced : bundles in the order in which it was told of them
    batches : how many predictions each call brought
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()
        self.refuses: set[str] = set()
        self.introduced: list[str] = []
        self.batches: list[int] = []
        self.closed = False

    def _enter(self) -> None:
        self.asked.set()
        assert self.gate.wait(10), "the test forgot to open the gate"
        if self.down:
            raise StoreError("the store is down")

    def know_bundle(self, version: str, targets: Mapping[str, Sequence[str]]) -> None:
        self._enter()
        self.introduced.append(version)
        super().know_bundle(version, targets)

    def add_predictions(self, rows: Sequence[StoredPrediction]) -> None:
        self._enter()
        if any(row.id in self.refuses for row in rows):
            raise DataError("a row is not what it claims to be")
        assert all(row.prediction.bundle in self.bundles for row in rows), "an unknown bundle"
        self.batches.append(len(rows))
        super().add_predictions(rows)

    def add_feedback(self, rows: Sequence[Feedback]) -> tuple[StoredFeedback, ...]:
        self._enter()
        return super().add_feedback(rows)

    def find(self, prediction_id: str) -> Answered | None:
        self._enter()
        return super().find(prediction_id)

    def stream(self, query: Query) -> Iterator[Answered]:
        self._enter()
        yield from super().stream(query)

    def to_review(self, targets: Sequence[str] | None = None, limit: int = 50) -> list[Answered]:
        self._enter()
        return super().to_review(targets, limit)

    def erase(self, erasure: Erasure, actor: str, at: datetime) -> Erased:
        self._enter()
        return super().erase(erasure, actor, at)

    def close(self) -> None:
        self.closed = True


def told(number: int = 1, **changes: Any) -> Told:
    """The answer that becomes `prediction_row(number)`."""
    row = prediction_row(number)
    names = ("id", "at", "ticket", "prediction", "arm", "propensity", "audit", "audit_propensity")
    facts = {name: getattr(row, name) for name in names} | {"key": f"T-{number}"}
    return Told(**{**facts, **changes})


@contextmanager
def opened_archive(store: FakeStore, folder: Path, **settings: Any) -> Iterator[Archive]:
    """All that is kept, in this store and under this folder; nobody waits long for anything."""
    usual = {
        "spool": folder / "spool",
        "spool_seconds": 0.01,
        "store_timeout_seconds": 5.0,
        "record_lag_ms": 0,
        "max_feedback": 4,
    }
    chosen = Settings.model_validate(usual | settings)
    archive = Archive(chosen, store)
    archive.know("invented-0a1b2c3d", LABELS)
    try:
        yield archive
    finally:
        store.gate.set()
        archive.close()


def install_archive(app: FastAPI, archive: Archive) -> TestClient:
    """The app with all routes of the archive."""
    feedback_routes.install(app, archive, archive.settings)
    review_routes.install(app, archive)
    history_routes.install(app, archive)
    return TestClient(app)
