"""What is known of each job on the clock, kept in files; and when it is due by that.

One file per job, written in one step, so that whoever is killed leaves the state before or after.
A job whose begin is written and whose end is not was interrupted, and runs again.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import psutil
from cronsim import CronSim
from pydantic import AwareDatetime, Field, ValidationError

from data.durable import write_text
from data.errors import DataError
from data.schema import Record
from pipelines.schedule_jobs import ATTENTION, Job

STATE = Path(".cache/schedule")

TRIES = 3
"""How often a job is started for one moment of its clock, while it fails."""

RETRY = timedelta(minutes=15)
"""Between two tries."""

Result = Literal["done", "attention", "failed", "timed out", "interrupted"]
"""How a run ended.

`attention`: it did its work, and its log tells something a person should know. `interrupted`: it
was ended with the scheduler, or with the machine.
"""


class JobState(Record):
    """The newest run of a job."""

    since: AwareDatetime = Field(description="when the job became known; nothing before is missed")
    started: AwareDatetime | None = None
    ended: AwareDatetime | None = None
    result: Result | None = None
    code: int | None = Field(default=None, description="exit code; null where there was none")
    log: str | None = None
    tries: int = Field(default=0, description="failed runs in a row, at most `TRIES`")
    pid: int | None = Field(default=None, description="of the run that has not ended")
    born: float | None = Field(default=None, description="when that process began; pids come again")

    @property
    def running(self) -> bool:
        """Whether the process of a run that was begun is still there."""
        if self.pid is None or self.born is None:
            return False
        try:
            process = psutil.Process(self.pid)
            return bool(
                process.create_time() == self.born and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False

    @property
    def interrupted(self) -> bool:
        """Whether a run was begun and will never end."""
        return self.started is not None and self.ended is None and not self.running


def read_state(name: str, now: datetime, folder: Path = STATE) -> JobState:
    """What is known of a job; one that nothing is known of becomes known now.

    Raises
    ------
    DataError
        If its file is no state.
    """
    path = folder / f"{name}.json"
    try:
        return JobState.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        state = JobState(since=now)
        write_state(name, state, folder)
        return state
    except (ValueError, ValidationError):
        raise DataError(f"{path} is no state of a job: remove it, and nothing is missed") from None


def write_state(name: str, state: JobState, folder: Path = STATE) -> None:
    """Keep what is known of a job."""
    write_text(folder / f"{name}.json", state.model_dump_json(indent=1) + "\n")


def find_due(job: Job, state: JobState) -> datetime | None:
    """From when on a job should run; None while it runs, or if it never does by itself.

    However many moments of the clock passed while nothing ran, one run makes up for all.
    """
    if job.when is None or state.running:
        return None
    if state.started is None:
        return next(CronSim(job.when, state.since))
    if state.ended is None or state.result == "interrupted":
        return state.ended or state.started
    due = next(CronSim(job.when, state.started))
    if state.result in {"failed", "timed out"} and state.tries < TRIES:
        return min(due, state.ended + RETRY)
    return due


def tell_end(state: JobState, code: int | None, at: datetime, cause: Result | None) -> JobState:
    """The state after a run.

    Parameters
    ----------
    cause : why the run was ended; None where it ended by itself
    """
    by_itself: Result = "done" if code == 0 else "attention" if code == ATTENTION else "failed"
    result = cause or by_itself
    bad = result in {"failed", "timed out"}
    # A new moment of the clock is a new beginning: three tries for each.
    tries = (1 if state.tries >= TRIES else state.tries + 1) if bad else 0
    return state.model_copy(
        update={
            "ended": at, "result": result, "code": code, "tries": tries, "pid": None, "born": None,
        }
    )  # fmt: skip
