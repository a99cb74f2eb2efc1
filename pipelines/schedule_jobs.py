"""What runs on the clock: for each job its command, and the jobs it must not run beside."""

from dataclasses import dataclass
from typing import Literal

from pipelines.schedule_params import ScheduleParams

Lane = Literal["watch", "learn", "tell"]
"""Of the jobs of one lane only one runs at a time.

`watch` and `learn` are kept apart so that a retrain of hours does not keep a lost certificate from
being noticed.
"""

DAYS_OF_A_YEAR = 365

ATTENTION = 3
"""Exit code by which commands say that all was done and somebody should look."""

COMMANDS: dict[str, tuple[Lane, tuple[str, ...]]] = {
    "monitor": ("watch", ("pipelines.monitor",)),
    "experiment": ("watch", ("pipelines.experiment", "status", "--auto")),
    # Looked at every day, so each look may err with a 365th of the yearly probability.
    "drift": (
        "watch", ("pipelines.drift", "--looks", str(DAYS_OF_A_YEAR), "--log", "--no-html"),
    ),
    "collect": ("learn", ("pipelines.collect",)),
    "retrain": ("learn", ("pipelines.retrain",)),
    "report": ("tell", ("pipelines.report_period",)),
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One command and its clock.

    Attributes
    ----------
    arguments : of `python -m`, the module first
    when : cron expression in UTC; None: never by itself
    """

    name: str
    lane: Lane
    arguments: tuple[str, ...]
    when: str | None
    limit_seconds: float

    @property
    def told(self) -> str:
        """The command as one types it."""
        return " ".join(["python -m", *self.arguments])


def make_jobs(params: ScheduleParams) -> dict[str, Job]:
    """Name -> job, in the order of `COMMANDS`."""
    jobs = {}
    for name, (lane, command) in COMMANDS.items():
        given = getattr(params, name)
        jobs[name] = Job(
            name, lane, (*command, *given.arguments), given.when, given.limit_minutes * 60
        )
    return jobs
