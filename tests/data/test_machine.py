"""The cores and the memory that a process may use."""

import os
from pathlib import Path

import psutil
import pytest

from data.machine import usable_cores, usable_memory

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
    ("quota", "cores"), [("50000 100000", 1), ("100000 100000", 1), ("9900000 100000", None)]
)
def test_the_quota_of_a_container_limits_the_cores(
    tmp_path: Path, quota: str, cores: int | None
) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cores(tmp_path, NOWHERE) == (cores or len(os.sched_getaffinity(0)))


def test_without_a_quota_the_affinity_of_this_process_counts(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert usable_cores(tmp_path, NOWHERE) == len(os.sched_getaffinity(0))
    assert usable_cores(tmp_path / "nowhere", NOWHERE) == len(os.sched_getaffinity(0))
