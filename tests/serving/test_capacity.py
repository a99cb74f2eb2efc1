"""How many workers start, by the cores and the memory that a process may use."""

import pytest

from serving import capacity
from serving.capacity import count_workers
from serving.settings import Settings

MIB = 2**20


@pytest.mark.parametrize(
    ("cores", "mib", "workers"), [(8, 16_000, 8), (8, 3_100, 3), (8, 200, 1), (1, 16_000, 1)]
)
def test_workers_go_by_cores_and_by_memory_and_one_always_starts(
    monkeypatch: pytest.MonkeyPatch, cores: int, mib: int, workers: int
) -> None:
    monkeypatch.setattr(capacity, "usable_cores", lambda: cores)
    monkeypatch.setattr(capacity, "usable_memory", lambda: mib * MIB)
    assert count_workers(1_000 * MIB) == workers


def test_the_number_of_workers_is_found_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TICKETS_WORKERS", raising=False)
    assert Settings().processes == count_workers()
    monkeypatch.setenv("TICKETS_WORKERS", "3")
    assert Settings().processes == 3
    monkeypatch.setenv("TICKETS_WORKERS", "auto")
    assert Settings().processes == count_workers()
