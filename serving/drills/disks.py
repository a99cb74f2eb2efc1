"""The disk that store, spool and jobs lie on is full."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from serving.drills.client import FEEDBACK
from serving.drills.drill import Drill, Finding
from serving.drills.ledger import in_words
from serving.drills.stage import Stage, rest

SIZE = 32
"""MiB of the small disk."""

FULL = 6.0
"""Seconds for which nothing can be written."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system in memory of a few MiB; only root may have one."""
    folder.mkdir(parents=True)
    mount = shutil.which("mount") or "/bin/mount"
    umount = shutil.which("umount") or "/bin/umount"
    command = [mount, "-t", "tmpfs", "-o", f"size={SIZE}m", "ticket-assistant-drill", str(folder)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed command
    try:
        yield folder
    finally:
        subprocess.run([umount, "-l", str(folder)], check=False)  # noqa: S603 - fixed command


def on_small_disk(stage: Stage) -> None:
    """Keep all that is written on a disk that can be filled, where the system lets us make one."""
    if not may_mount():
        return
    place = stage.enter(small_disk(stage.folder / "disk"))
    stage.settings |= {
        "TICKETS_STORE": f"sqlite:///{place / 'store.db'}",
        "TICKETS_SPOOL": str(place / "spool"),
        "TICKETS_JOBS_FOLDER": str(place / "jobs"),
    }


def may_mount() -> bool:
    """Whether this process may mount: tried, as being root says little in a container."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder) / "disk"):
                return True
        except (OSError, subprocess.SubprocessError):
            return False


def fill(stage: Stage) -> Finding:
    """Fill the disk under load, then free it."""
    finding = Finding()
    disk = stage.folder / "disk"
    if disk.is_dir():
        filler = disk / "filler"
        fill_up(filler)
        rest(FULL)
        _judge(stage, finding, "a tmpfs without a free byte")
        filler.unlink()
    else:
        limit(stage.worker_pids(), 1)
        rest(FULL)
        _judge(stage, finding, "RLIMIT_FSIZE of 1 byte")
        limit(stage.worker_pids(), resource.RLIM_INFINITY)
    return finding


def fill_up(filler: Path) -> None:
    """Write a file until not a byte is free."""
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass


def limit(pids: Sequence[int], size: int) -> None:
    """Let no file that these processes write become longer; what is written beyond fails."""
    for pid in pids:
        process = psutil.Process(pid)
        _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (size, hard))


def _judge(stage: Stage, finding: Finding, how: str) -> None:
    failures = stage.ledger.failures
    other = [one for one in failures if one.path != FEEDBACK or one.what != "503"]
    finding.saw(f"{how}: refused {in_words(failures)}")
    finding.expect(not other, f"failed otherwise: {in_words(other)}")
    finding.expect(bool(failures), "feedback was acknowledged although nothing can be written")


DISKS = (
    Drill(
        "disk-full",
        "tickets are answered; feedback that cannot be kept gets 503 and is not acknowledged; when "
        "there is room again all is as before, without a restart",
        fill,
        on_small_disk,
    ),
)
