"""What is known of a job: what its folder keeps, and what callers are told."""

from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import AwareDatetime, Field, JsonValue

from data.schema import Record

FINISHED = frozenset({"done", "failed", "cancelled"})

State = Literal["queued", "running", "done", "failed", "cancelled"]


class JobState(Record):
    """What is known of a job; the bytes are those of whole lines that are safe on disk."""

    id: str
    state: State = "queued"
    tickets: int = Field(ge=1)
    done: int = 0
    errors: int = 0
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    reason: str | None = None
    seconds: float = 0.0
    input_bytes: int = 0
    output_bytes: int = 0
    customer: str | None = None
    """The caller's key of who wrote all of the tickets."""
    correlation: str | None = None
    """The request that sent it; logs, rows and events of its tickets name it too."""

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINISHED

    @property
    def place(self) -> tuple[int, str]:
        """Sorts jobs by the moment they came."""
        return round(self.created_at.timestamp() * 1e6), self.id

    def ended(self, state: State, reason: str | None = None) -> "JobState":
        """The same job, ended now."""
        return self.model_copy(
            update={"state": state, "reason": reason, "finished_at": datetime.now(UTC)}
        )


class BatchJob(Record):
    """A job as its callers see it."""

    id: str = Field(description="cannot be guessed: who knows it may read the result")
    state: State
    tickets: int = Field(ge=1)
    done: int = Field(ge=0, description="tickets answered so far, those with a problem too")
    errors: int = Field(ge=0, description="of those done, tickets that have a problem")
    progress: float = Field(ge=0, le=1, description="share of the tickets that is done")
    seconds_left: float | None = Field(
        default=None, ge=0, description="at the pace so far; null unless it runs and has a pace"
    )
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    reason: str | None = Field(default=None, description="why it failed")

    @classmethod
    def of(cls, job: JobState) -> Self:
        """What callers are told of a job."""
        left = None
        if job.state == "running" and job.done:
            left = round((job.tickets - job.done) * job.seconds / job.done, 1)
        return cls(
            id=job.id,
            state=job.state,
            tickets=job.tickets,
            done=job.done,
            errors=job.errors,
            progress=round(job.done / job.tickets, 4),
            seconds_left=left,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            reason=job.reason,
        )


class JobPage(Record):
    """Some jobs, the newest first."""

    jobs: tuple[BatchJob, ...]
    next: str | None = Field(
        default=None, description="give it back as `cursor` for the page after; null at the end"
    )


RUNNING: dict[str, JsonValue] = {
    "id": "3f0c9a4be1d24c7f8a6b5d2e9c1f7a30",
    "state": "running",
    "tickets": 120_000,
    "done": 30_000,
    "errors": 12,
    "progress": 0.25,
    "seconds_left": 3600.0,
    "created_at": "2026-11-23T08:00:00Z",
    "started_at": "2026-11-23T08:00:01Z",
    "finished_at": None,
    "reason": None,
}
QUEUED: dict[str, JsonValue] = {
    **RUNNING,
    "state": "queued",
    "done": 0,
    "errors": 0,
    "progress": 0.0,
    "seconds_left": None,
    "started_at": None,
}
"""The jobs of the documentation; invented."""
