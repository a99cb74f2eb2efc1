"""What one worker remembers stays within its limits and is forgotten in time."""

import asyncio
import tracemalloc
from collections.abc import Coroutine
from typing import Any

from serving.cache_memory import ENTRY_BYTES, MemoryAnswers


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_what_is_put_is_found_in_the_order_asked_for() -> None:
    answers = MemoryAnswers(10_000, 60)

    async def scenario() -> list[bytes | None]:
        await answers.put({b"a": b"1", b"b": b"2"})
        await answers.put({b"a": b"3"})
        return await answers.find([b"b", b"c", b"a"])

    assert run(scenario()) == [b"2", None, b"3"]
    assert (len(answers), answers.size) == (2, 2 + 2 * ENTRY_BYTES)


def test_the_oldest_make_room_and_the_limit_is_kept_exactly() -> None:
    size = 100 + ENTRY_BYTES
    answers = MemoryAnswers(3 * size, 60)

    async def scenario() -> list[bool]:
        for number in range(7):
            await answers.put({bytes([number]): b"x" * 100})
            assert answers.size <= 3 * size
        found = await answers.find([bytes([number]) for number in range(7)])
        return [one is not None for one in found]

    assert run(scenario()) == [False] * 4 + [True] * 3
    assert answers.size == 3 * size


def test_entries_are_limited_however_small() -> None:
    answers = MemoryAnswers(1_000_000, 60, max_entries=2)
    run(answers.put({b"a": b"", b"b": b"", b"c": b""}))
    assert run(answers.find([b"a", b"b", b"c"])) == [None, b"", b""]


def test_one_that_is_larger_than_all_the_room_drives_nothing_out() -> None:
    answers = MemoryAnswers(1_000, 60)
    run(answers.put({b"a": b"1"}))
    run(answers.put({b"b": b"x" * 1_000}))
    assert run(answers.find([b"a", b"b"])) == [b"1", None]
    run(answers.put({b"a": b"x" * 1_000}))
    assert run(answers.find([b"a"])) == [None], "the former content is not the right one any more"
    assert answers.size == 0


def test_an_entry_is_forgotten_when_its_time_has_come() -> None:
    clock = Clock()
    answers = MemoryAnswers(10_000, 5, clock=clock)
    run(answers.put({b"a": b"1"}))
    clock.now += 4
    run(answers.put({b"b": b"2"}))
    assert run(answers.find([b"a", b"b"])) == [b"1", b"2"], "being asked for does not renew it"
    clock.now += 1
    assert run(answers.find([b"a", b"b"])) == [None, b"2"]
    assert (len(answers), answers.size) == (1, 1 + ENTRY_BYTES)


def test_an_entry_is_forgotten_though_nobody_asks() -> None:
    told: list[tuple[int, int]] = []
    answers = MemoryAnswers(10_000, 0.02, lambda *held: told.append(held))

    async def scenario() -> None:
        await answers.put({b"a": b"1"})
        await asyncio.sleep(0.01)
        await answers.put({b"b": b"2"})
        while told[-1] != (0, 0):
            await asyncio.sleep(0.01)

    run(asyncio.wait_for(scenario(), 10))
    assert len(answers) == 0


def test_all_is_forgotten_at_once() -> None:
    told: list[tuple[int, int]] = []
    answers = MemoryAnswers(10_000, 60, lambda *held: told.append(held))
    run(answers.put({b"a": b"1"}))
    run(answers.clear())
    assert run(answers.find([b"a"])) == [None]
    assert told == [(1, 1 + ENTRY_BYTES), (0, 0)]


def test_an_entry_takes_no_more_than_it_counts_for() -> None:
    answers = MemoryAnswers(1 << 30, 60)
    contents = {number.to_bytes(16): b"x" * (1_000 + number % 7) for number in range(20_000)}

    async def fill() -> None:
        for key, content in contents.items():
            await answers.put({bytes(bytearray(key)): bytes(bytearray(content))})

    tracemalloc.start()
    try:
        run(fill())
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.8 * answers.size < taken < answers.size
