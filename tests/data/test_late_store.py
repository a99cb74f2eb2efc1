"""A store that is down at the start is opened when it can be."""

from datetime import UTC, datetime

import pytest

from data.errors import StoreError
from data.late_store import LateStore
from data.store import Event, Query
from tests.stores import MemoryStore

EVENT = Event(at=datetime(2026, 11, 1, tzinfo=UTC), actor="test", action="publish", subject="v1")


class Server:
    """Gives a store once it is up."""

    def __init__(self) -> None:
        self.up = False
        self.asked = 0
        self.store = MemoryStore()

    def open(self) -> MemoryStore:
        self.asked += 1
        if not self.up:
            raise StoreError("nobody listens")
        return self.store


def test_making_one_asks_nobody() -> None:
    server = Server()
    LateStore(server.open).close()
    assert server.asked == 0


def test_a_store_that_comes_late_is_used_from_then_on() -> None:
    server = Server()
    store = LateStore(server.open)
    for _ in range(2):
        with pytest.raises(StoreError, match="nobody listens"):
            store.ping()
    server.up = True
    store.log(EVENT)
    store.ping()
    assert server.asked == 3
    assert store.events() == server.store.events() == [EVENT]
    assert list(store.stream(Query())) == []
    assert store.find("none") is None
    store.close()
