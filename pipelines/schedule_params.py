"""The clock that jobs run on: the section `schedule` of params.yaml."""

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from data.yaml_files import Section

FIELDS = 5


class JobParams(Section):
    """When one job runs, and how long it may take."""

    when: str | None = Field(
        description="cron expression of five fields in UTC: minute, hour, day of the month, month, "
        "day of the week; null: never by itself"
    )
    limit_minutes: float = Field(gt=0, description="after which it is ended")
    arguments: tuple[str, ...] = Field(default=(), description="added to its command")

    @field_validator("when")
    @classmethod
    def _is_a_clock(cls, when: str | None) -> str | None:
        if when is None:
            return None
        if len(when.split()) != FIELDS:
            raise ValueError(f"{when!r} is no cron expression of {FIELDS} fields, e.g. '5 * * * *'")
        try:
            next(CronSim(when, datetime(2026, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration) as error:
            raise ValueError(f"{when!r} is no cron expression: {error}") from None
        return when


class ScheduleParams(Section):
    """Every job that may run on the clock."""

    monitor: JobParams = JobParams(when="5 * * * *", limit_minutes=30)
    experiment: JobParams = JobParams(when="20 * * * *", limit_minutes=30)
    drift: JobParams = JobParams(when="40 3 * * *", limit_minutes=60)
    collect: JobParams = JobParams(when="30 4 * * *", limit_minutes=60)
    retrain: JobParams = JobParams(when="0 20 * * 6", limit_minutes=720)
    report: JobParams = JobParams(when="0 6 1 * *", limit_minutes=60)
