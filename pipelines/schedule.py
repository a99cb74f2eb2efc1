"""Command: run the loop on a clock.

    python -m pipelines.schedule                    # until it is told to end
    python -m pipelines.schedule --list             # each job: its clock, next run and last result
    python -m pipelines.schedule --once monitor     # one job now; for cron and Kubernetes

The clock is the section `schedule` of params.yaml, in UTC. A job never runs twice at once, whoever
starts it; what was missed while nothing ran is made up for by one run. Of a run that failed there
are three tries. SIGTERM and ^C end what runs, and it begins anew with the next start. What jobs
write is in .cache/schedule/logs; what they find is in the audit log of the store.
"""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from cronsim import CronSim

from data.errors import LockedError, TicketAssistantError
from data.locks import exclusive
from pipelines import run
from pipelines.params import read_params
from pipelines.schedule_jobs import COMMANDS, Job, Lane, make_jobs
from pipelines.schedule_run import Clock, Run, now_utc
from pipelines.schedule_state import STATE, JobState, find_due, read_state

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often the clock is looked at while nothing runs; a second while something does."""

ENDED_WELL = {"done", "attention"}


class Scheduler:
    """Starts what is due, one job of each lane at a time."""

    def __init__(
        self, jobs: Mapping[str, Job], folder: Path = STATE, clock: Clock = now_utc
    ) -> None:
        self._jobs = jobs
        self._folder = folder
        self._clock = clock
        self.running: dict[Lane, Run] = {}

    def step(self) -> None:
        """See what has ended, and start what is due: of each lane what waits longest."""
        for lane, one in list(self.running.items()):
            if one.over:
                one.finish()
                del self.running[lane]
        for job in self._due(self._clock()):
            if job.lane in self.running:
                continue
            try:
                self.running[job.lane] = Run(job, self._folder, clock=self._clock)
            except LockedError as error:
                logger.debug("%s waits: %s", job.name, error)
            else:
                logger.info("%s: started", job.name)

    def run(self, stop: threading.Event) -> None:
        """Step until told to stop, then end what runs."""
        try:
            while not stop.is_set():
                self.step()
                stop.wait(1.0 if self.running else LOOK_SECONDS)
        finally:
            self.end()

    def end(self) -> None:
        """End everything that runs; it is due again with the next start."""
        for one in self.running.values():
            one.finish("interrupted")
        self.running.clear()

    def _due(self, now: datetime) -> list[Job]:
        waiting = []
        for job in self._jobs.values():
            due = find_due(job, read_state(job.name, now, self._folder))
            if due is not None and due <= now:
                waiting.append((due, job))
        return [job for _, job in sorted(waiting, key=lambda pair: pair[0])]


def run_once(job: Job, folder: Path = STATE, stop: threading.Event | None = None) -> int:
    """One run of a job, its words on our own output; gives 0 where it did its work.

    Raises
    ------
    LockedError
        If it runs elsewhere already.
    """
    one = Run(job, folder, to_log=False)
    told = stop or threading.Event()
    while not one.over and not told.wait(0.2):
        pass
    state = one.finish("interrupted" if told.is_set() else None)
    return 0 if state.result in ENDED_WELL else 1


def render_list(jobs: Mapping[str, Job], now: datetime, folder: Path = STATE) -> str:
    """A table of all jobs: clock, next run, last result, command."""
    rows = [("job", "when (UTC)", "next run", "last run", "result", "command")]
    for job in jobs.values():
        state = read_state(job.name, now, folder)
        rows.append(
            (
                job.name,
                job.when or "never",
                _next(job, state, now),
                _moment(state.started) if state.started else "-",
                "running" if state.running else _result(state),
                job.told,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def _next(job: Job, state: JobState, now: datetime) -> str:
    if job.when is None:
        return "-"
    due = find_due(job, state)
    if due is None:  # it runs
        due = next(CronSim(job.when, now))
    return "now" if due <= now else _moment(due)


def _result(state: JobState) -> str:
    if state.interrupted:
        return "interrupted"
    return state.result or "-"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def main(arguments: Sequence[str] | None = None, folder: Path = STATE) -> int:
    """Do what the arguments say; gives the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--once", choices=tuple(COMMANDS), help="run this one now, and end")
    what.add_argument("--list", action="store_true", help="tell what runs when, and end")
    asked = parser.parse_args(arguments)
    params = read_params()
    run.begin(params.seed)
    jobs = make_jobs(params.schedule)
    try:
        if asked.list:
            sys.stdout.write(render_list(jobs, now_utc(), folder))
            return 0
        stop = threading.Event()
        listen(stop)
        if asked.once:
            return run_once(jobs[asked.once], folder, stop)
        with exclusive("schedule", folder / "locks"):
            logger.info("on the clock: %s", ", ".join(jobs))
            Scheduler(jobs, folder).run(stop)
    except TicketAssistantError as error:
        logger.error("%s", error)
        return 1
    return 0


def listen(stop: threading.Event) -> None:
    """Set `stop` on SIGTERM and ^C."""

    def heard(number: int, _: FrameType | None) -> None:
        logger.info("%s: ending", signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, heard)


if __name__ == "__main__":
    sys.exit(main())
