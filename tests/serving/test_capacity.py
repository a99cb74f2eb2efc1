"""How many workers start, by the cores and the memory that a process may use."""

import os
from pathlib import Path

import psutil
import pytest

from serving import capacity
from serving.capacity import count_workers, usable_cores, usable_memory
from serving.settings import Settings

MIB = 2**20
NOWHERE = Path("/nowhere")


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".", 1)).write_text(f"{content}\n")


@pytest.mark.usefixtures("eight_cores")
def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path, NOWHERE) == 8
    write(tmp_path, cpu__max="max 100000")
    assert usable_cores(tmp_path, NOWHERE) == 8


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("400000 100000", 4),
        ("150000 100000", 1),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("x", 8),
    ],
)
def test_a_quota_counts_in_whole_cores(tmp_path: Path, quota: str, cores: int) -> None:
    write(tmp_path, cpu__max=quota)
    assert usable_cores(tmp_path, NOWHERE) == cores


@pytest.mark.usefixtures("eight_cores")
def test_a_quota_of_a_group_above_holds_too(tmp_path: Path) -> None:
    write(tmp_path / "a", cpu__max="300000 100000")
    write(tmp_path / "a/b", cpu__max="max 100000", memory__max="max")
    write(tmp_path, membership="0::/a/b")
    assert usable_cores(tmp_path, tmp_path / "membership") == 3


@pytest.mark.usefixtures("eight_cores")
def test_the_first_version_of_control_groups_is_read_as_well(tmp_path: Path) -> None:
    write(tmp_path, membership="5:cpuacct,cpu:/job\n7:memory:/job\n9:devices:/other")
    write(tmp_path / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert usable_cores(tmp_path, tmp_path / "membership") == 8
    write(tmp_path / "cpu/job", cpu__cfs_quota_us="200000", cpu__cfs_period_us="100000")
    assert usable_cores(tmp_path, tmp_path / "membership") == 2
    write(tmp_path / "memory/job", memory__limit_in_bytes=str(700 * MIB))
    assert usable_memory(tmp_path, tmp_path / "membership") == 700 * MIB


def test_memory_is_that_of_the_machine_or_the_limit(tmp_path: Path) -> None:
    total = psutil.virtual_memory().total
    assert usable_memory(tmp_path, NOWHERE) == total
    write(tmp_path, memory__max="max")
    assert usable_memory(tmp_path, NOWHERE) == total
    write(tmp_path, memory__max=str(2**62))
    assert usable_memory(tmp_path, NOWHERE) == total
    write(tmp_path, memory__max=str(600 * MIB))
    assert usable_memory(tmp_path, NOWHERE) == 600 * MIB


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
