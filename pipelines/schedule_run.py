"""One run of a job: a process of its own with its log, its time limit and its lock."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from data.errors import LockedError
from data.locks import exclusive
from pipelines.schedule_jobs import Job
from pipelines.schedule_state import (
    STATE,
    JobState,
    Result,
    read_state,
    tell_end,
    write_state,
)

logger = logging.getLogger(__name__)

GRACE_SECONDS = 20.0
"""Between asking a process to end and ending it."""

LOGS_KEPT = 60
"""Of each job."""

Clock = Callable[[], datetime]


def now_utc() -> datetime:
    """The moment."""
    return datetime.now(UTC)


class Run:
    """A job that was started, until `finish`; it holds the lock `schedule-NAME`.

    Parameters
    ----------
    to_log : whether what it says goes into a file of its own; else to where ours goes

    Raises
    ------
    LockedError
        If the job runs elsewhere already.
    """

    def __init__(
        self, job: Job, folder: Path = STATE, *, to_log: bool = True, clock: Clock = now_utc
    ) -> None:
        self.job = job
        self._folder = folder
        self._clock = clock
        self._held = ExitStack()
        self._held.enter_context(exclusive(f"schedule-{job.name}", folder / "locks"))
        try:
            began = clock()
            _require_alone(read_state(job.name, began, folder), job.name)
            self.log = _log_path(folder, job.name, began) if to_log else None
            out = self._held.enter_context(self.log.open("wb")) if self.log else None
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", *job.arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT if out else None,
                start_new_session=True,  # so that what it starts can be ended with it
            )
            self._deadline = time.monotonic() + job.limit_seconds
            try:
                self._write_begin(began)
            except BaseException:
                end_group(self.process)
                raise
        except BaseException:
            self._held.close()
            raise

    def _write_begin(self, began: datetime) -> None:
        self._state = read_state(self.job.name, began, self._folder).model_copy(
            update={
                "started": began, "ended": None, "result": None, "code": None,
                "log": str(self.log) if self.log else None,
                "pid": self.process.pid, "born": _born(self.process.pid),
            }
        )  # fmt: skip
        write_state(self.job.name, self._state, self._folder)

    @property
    def over(self) -> bool:
        """Whether it has ended, or should have by now."""
        return self.process.poll() is not None or time.monotonic() >= self._deadline

    def finish(self, cause: Result | None = None) -> JobState:
        """Wait for its end, or end it for a cause or past its limit; what became of it is kept."""
        if self.process.poll() is None and cause is None:
            try:
                self.process.wait(max(0.0, self._deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                cause = "timed out"
        try:
            if self.process.poll() is None:
                end_group(self.process)
            else:
                cause = None
            state = tell_end(self._state, self.process.returncode, self._clock(), cause)
            write_state(self.job.name, state, self._folder)
        finally:
            self._held.close()
        level = logging.INFO if state.result == "done" else logging.WARNING
        logger.log(level, "%s: %s%s", self.job.name, state.result, _where(state))
        return state


def end_group(process: subprocess.Popen[bytes], grace: float = GRACE_SECONDS) -> None:
    """Ask a process and all it started to end, then end what is left."""
    _signal(process.pid, signal.SIGTERM)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        logger.warning("process %d did not end when asked and is killed", process.pid)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _require_alone(state: JobState, name: str) -> None:
    """Locks end with whoever started a run, which may be killed while what it started goes on."""
    if state.running:
        raise LockedError(f"{name} still runs as process {state.pid}: wait, or end it")


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _born(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def _log_path(folder: Path, name: str, at: datetime) -> Path:
    """Where a run writes; the oldest logs of the job are removed."""
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for old in sorted(logs.glob(f"{name}-*.log"))[: -(LOGS_KEPT - 1)]:
        old.unlink(missing_ok=True)
    return logs / f"{name}-{at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}.log"


def _where(state: JobState) -> str:
    code = "" if state.code is None else f", exit code {state.code}"
    return code + (f", see {state.log}" if state.log else "")
