"""Cores and memory that a process may use: the machine's, or its container's where that is less.

Libraries that ask the machine see all its cores inside a container limited to two, and are then
slower than with one.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores(cgroup: Path = CGROUP, membership: Path = MEMBERSHIP) -> int:
    """Whole cores that this process may use: its affinity, and its container's quota if less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = float(cores or 1)
    for folder in _control_groups(cgroup, membership, "cpu"):
        found = min([found, *_quota(folder)])
    return max(1, int(found))


def usable_memory(cgroup: Path = CGROUP, membership: Path = MEMBERSHIP) -> int:
    """Bytes that this process may use: the machine's, or its container's limit if less."""
    found: int = psutil.virtual_memory().total
    for folder in _control_groups(cgroup, membership, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            found = min([found, *_numbers(folder / name)])
    return found


def _control_groups(cgroup: Path, membership: Path, controller: str) -> Iterator[Path]:
    """Folders of the control group of this process and of all above it, of versions 1 and 2.

    A limit of any of them holds. Inside a container the outermost may be the only one to be seen.
    """
    yield from (cgroup, cgroup / controller)
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 2 names no controller, and has all of them in one tree.
        tree = cgroup / controller if controllers else cgroup
        folder = tree
        for part in Path(path).parts[1:]:
            folder = folder / part
            yield folder


def _quota(folder: Path) -> list[float]:
    """Cores that one control group allows; empty where it limits none."""
    match _numbers(folder / "cpu.max"):
        case [allowed, period]:
            return [allowed / period]
    match [*_numbers(folder / "cpu.cfs_quota_us"), *_numbers(folder / "cpu.cfs_period_us")]:
        case [allowed, period] if allowed > 0:  # -1: no limit
            return [allowed / period]
    return []


def _numbers(file: Path) -> list[int]:
    """The numbers in a file of the kernel; empty where it is not there or says `max`."""
    try:
        return [int(word) for word in file.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []
