"""A store that may be down when the service starts, and is opened when it can be."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from pydantic import AwareDatetime

from data.store import (
    Answered,
    Erased,
    Erasure,
    Event,
    Feedback,
    Page,
    Query,
    Store,
    StoredFeedback,
    StoredPrediction,
)


class LateStore:
    """Opens a store when it is first asked, and again each time until that works.

    Every call raises StoreError while it cannot be opened.

    Parameters
    ----------
    open_store : gives the store, or raises StoreError
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self._store: Store | None = None
        self._opening = threading.Lock()

    def _opened(self) -> Store:
        store = self._store
        if store is None:
            with self._opening:
                if self._store is None:
                    self._store = self._open()
                store = self._store
        return store

    def know_bundle(self, version: str, targets: Mapping[str, Sequence[str]]) -> None:
        self._opened().know_bundle(version, targets)

    def add_predictions(self, rows: Sequence[StoredPrediction]) -> None:
        self._opened().add_predictions(rows)

    def add_feedback(self, rows: Sequence[Feedback]) -> tuple[StoredFeedback, ...]:
        return self._opened().add_feedback(rows)

    def find(self, prediction_id: str) -> Answered | None:
        return self._opened().find(prediction_id)

    def search(self, query: Query, limit: int = 50, cursor: str | None = None) -> Page:
        return self._opened().search(query, limit, cursor)

    def stream(self, query: Query) -> Iterator[Answered]:
        return self._opened().stream(query)

    def to_review(self, targets: Sequence[str] | None = None, limit: int = 50) -> list[Answered]:
        return self._opened().to_review(targets, limit)

    def erase(self, erasure: Erasure, actor: str, at: AwareDatetime) -> Erased:
        return self._opened().erase(erasure, actor, at)

    def is_erased(self, *, ticket_id: str | None = None, customer: str | None = None) -> bool:
        return self._opened().is_erased(ticket_id=ticket_id, customer=customer)

    def drop_before(self, moment: AwareDatetime, actor: str, at: AwareDatetime) -> Erased:
        return self._opened().drop_before(moment, actor, at)

    def log(self, event: Event) -> None:
        self._opened().log(event)

    def events(self, limit: int = 100, action: str | None = None) -> list[Event]:
        return self._opened().events(limit, action)

    def ping(self) -> None:
        self._opened().ping()

    def close(self) -> None:
        with self._opening:
            if self._store is not None:
                self._store.close()
