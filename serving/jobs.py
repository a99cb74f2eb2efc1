"""Jobs: large files of tickets, answered beside the single ones, each in a folder of its own.

    <jobs>/<id>/input.jsonl     one ticket a line, as it was sent; removed when the job has ended
    <jobs>/<id>/output.jsonl    one answer a line, in order
    <jobs>/<id>/state.json      what is known of it, replaced in one step
    <jobs>/<id>/cancel          there once somebody wants it to end
    <jobs>/<id>/lock            held by the worker that answers it
    <jobs>/<id>/files.lock      held for as long as a file is read on, appended to or replaced

The folder is all there is: it survives a restart, and several workers share it.
"""

import json
import logging
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout
from pydantic import ValidationError

from data.durable import sync_folder, write_text
from serving.job_state import JobState
from serving.problems import JobNotFinishedError, JobsFullError
from serving.spool_files import locked

logger = logging.getLogger(__name__)

INPUT, OUTPUT, STATE, CANCEL, LOCK = "input.jsonl", "output.jsonl", "state.json", "cancel", "lock"
FILES = "files.lock"
LEFTOVER_SECONDS = 3600.0
"""A file that is still being sent is touched more often than that."""

_ID = re.compile(r"[0-9a-f]{32}")


class Jobs:
    """The folder of all jobs; calls block, and several processes may make them.

    Parameters
    ----------
    root : made, closed to other users, with the first job
    max_unfinished : jobs that wait or run, at most
    max_finished : finished ones that are kept, the newest
    keep : how long a finished one is kept
    """

    def __init__(
        self,
        root: Path,
        max_unfinished: int = 16,
        max_finished: int = 100,
        keep: timedelta = timedelta(hours=24),
    ) -> None:
        self.root = root
        self.max_unfinished = max_unfinished
        self.max_finished = max_finished
        self.keep = keep

    def unfinished(self) -> int:
        """How many jobs wait or run."""
        return sum(not state.finished for state in self.all())

    def check_room(self) -> None:
        """Raise JobsFullError if no further job may wait."""
        if self.unfinished() >= self.max_unfinished:
            raise JobsFullError(self.max_unfinished)

    def all(self) -> list[JobState]:
        """Every job, the newest first."""
        names = [path.name for path in self.root.iterdir()] if self.root.is_dir() else []
        states = [state for name in names if (state := self.find(name))]
        return sorted(states, key=lambda state: state.place, reverse=True)

    def page(
        self, limit: int, after: tuple[int, str] | None = None
    ) -> tuple[list[JobState], tuple[int, str] | None]:
        """Some jobs, the newest first, older than `after`; and where the page after begins."""
        found = [state for state in self.all() if after is None or state.place < after]
        return found[:limit], found[limit - 1].place if len(found) > limit else None

    def find(self, job: str) -> JobState | None:
        """What is known of a job; None where there is none of this id."""
        if not _ID.fullmatch(job):
            return None
        try:
            return JobState.model_validate(json.loads((self.root / job / STATE).read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, ValidationError):
            logger.error("the state of job %s cannot be read", job)
            return None

    def write(self, state: JobState) -> None:
        """Replace what is known of a job, unless it is gone; only for who holds its lock."""
        with self.still(state.id) as there:
            if there:
                self.write_still(state)

    def write_still(self, state: JobState) -> None:
        """As `write`, for who holds its files still."""
        write_text(self.root / state.id / STATE, state.model_dump_json() + "\n")

    def end(self, state: JobState) -> None:
        """Write that a job has ended, and remove what customers wrote."""
        assert state.finished, "only what has ended"
        with self.still(state.id) as there:
            if there:
                self.write_still(state)
                (self.root / state.id / INPUT).unlink(missing_ok=True)

    def cancel(self, job: str) -> JobState | None:
        """End a job that is not finished; None where there is none of this id.

        What no worker holds is cancelled at once; the worker that holds it ends it before its next
        tickets, and until then its state stays `running`.
        """
        found = self.find(job)
        if found is None or found.finished:
            return found
        with suppress(FileNotFoundError):  # removed meanwhile
            (self.root / job / CANCEL).touch()
        with self.held(job) as state:
            if state is not None and not state.finished:
                self.end(state.ended("cancelled"))
        return self.find(job)

    def is_cancelled(self, job: str) -> bool:
        """Whether somebody wants the job to end, or it is gone already."""
        folder = self.root / job
        return (folder / CANCEL).exists() or not (folder / STATE).exists()

    def remove(self, job: str) -> None:
        """Forget a job and its result."""
        aside = self.root / f".{job}.removed"
        with self.still(job) as there:
            if not there:  # another worker was faster
                return
            (self.root / job).rename(aside)
            sync_folder(self.root)
        shutil.rmtree(aside, ignore_errors=True)

    def open_result(self, job: str) -> tuple[JobState, IO[bytes]] | None:
        """A finished job and its answers, `output_bytes` of whole lines; None without such a job.

        Raises
        ------
        JobNotFinishedError
        """
        state = self.find(job)
        if state is None:
            return None
        if not state.finished:
            raise JobNotFinishedError(state.state, state.done, state.tickets)
        try:
            return state, (self.root / job / OUTPUT).open("rb")
        except FileNotFoundError:
            return None

    @contextmanager
    def held(self, job: str) -> Iterator[JobState | None]:
        """The state of a job while nobody else works on it; None where somebody does."""
        lock = FileLock(self.root / job / LOCK, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):  # held, or its folder is gone
            yield None
            return
        try:
            yield self.find(job)
        finally:
            lock.release()

    @contextmanager
    def still(self, job: str) -> Iterator[bool]:
        """Keep others from changing the files of a job; gives whether there are any.

        Held for moments, also by who does not work on the job. Not to be held twice.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.root / job / FILES))
            except (FileNotFoundError, NotADirectoryError):
                yield False
                return
            yield (self.root / job / STATE).exists()

    def tidy(self) -> None:
        """Remove finished jobs that are too old or too many, and what a crash left behind."""
        finished = [state for state in self.all() if state.finished]
        oldest = datetime.now(UTC) - self.keep
        for rank, state in enumerate(finished):
            if rank >= self.max_finished or (state.finished_at or oldest) <= oldest:
                self.remove(state.id)
            else:
                (self.root / state.id / INPUT).unlink(missing_ok=True)
        for path in self.root.glob(".*.partial") if self.root.is_dir() else ():
            if _age(path / INPUT) > LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
        for path in self.root.glob(".*.removed") if self.root.is_dir() else ():
            shutil.rmtree(path, ignore_errors=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:  # about to be made, or about to be gone
        return 0.0
