"""Nobody waits for a cache that did not answer, until it was seen to be back."""

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from serving.redis_circuit import Circuit


class Far:
    """Something on the other side of a network."""

    def __init__(self) -> None:
        self.up = True
        self.asked = 0
        self.pinged = 0
        self.failures = 0

    async def call(self) -> str:
        self.asked += 1
        if not self.up:
            raise ConnectionError("no route to redis://:secret@host")
        return "answer"

    async def ping(self) -> None:
        self.pinged += 1
        if not self.up:
            raise ConnectionError

    def count(self) -> None:
        self.failures += 1

    def circuit(self, timeout: float = 5.0) -> Circuit:
        return Circuit("what is far", self.ping, (), timeout, self.count, pause=0.01)


def test_after_a_failure_nobody_asks_until_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    far = Far()

    async def scenario() -> None:
        circuit = far.circuit()
        assert await circuit.ask(far.call) == "answer"
        assert circuit.away_since is None
        began = datetime.now(UTC)
        far.up = False
        for _ in range(5):
            assert await circuit.ask(far.call) is None
        assert far.asked == 2
        assert circuit.is_open
        since = circuit.away_since
        assert since is not None
        assert began <= since <= datetime.now(UTC)
        while far.pinged < 3:
            await asyncio.sleep(0.01)
        assert circuit.away_since == since
        far.up = True
        while circuit.is_open:
            await asyncio.sleep(0.01)
        assert circuit.away_since is None
        assert await circuit.ask(far.call) == "answer"

    with caplog.at_level(logging.INFO):
        asyncio.run(asyncio.wait_for(scenario(), 10))
    assert far.failures == 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "secret" not in caplog.text


def test_one_that_hangs_counts_as_gone() -> None:
    far = Far()

    async def hang() -> str:
        await asyncio.sleep(60)
        return "late"

    async def scenario() -> None:
        circuit = far.circuit(timeout=0.01)
        assert await asyncio.gather(*(circuit.ask(hang) for _ in range(3))) == [None, None, None]
        assert far.failures == 3

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_what_is_no_failure_of_the_cache_is_told() -> None:
    far = Far()

    async def wrong() -> str:
        raise KeyError

    async def scenario() -> None:
        circuit = far.circuit()
        with pytest.raises(KeyError):
            await circuit.ask(wrong)
        assert not circuit.is_open

    asyncio.run(scenario())
