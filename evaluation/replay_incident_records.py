"""What a replay with staged incidents keeps of every month."""

from typing import Literal

from pydantic import Field

from data.schema import NonEmpty, Record
from evaluation.replay_records import MonthFacts, MonthsPlayed

Outcome = Literal["promoted", "refused", "overridden", "unchanged"]
"""`overridden`: the gate refused the candidate, and somebody promoted it all the same."""

Who = Literal["the product", "the supervisor"]


class Counts(Record):
    """Answers counted against the labels that only the replay knows."""

    tickets: int = Field(default=0, ge=0)
    right: int = Field(default=0, ge=0)
    automatic: int = Field(default=0, ge=0)
    automatic_right: int = Field(default=0, ge=0)


class StagedMonth(Record):
    """One month, and what was staged in it."""

    number: int = Field(ge=1)
    facts: MonthFacts
    former: Counts = Field(description="the former champion on the same tickets, as a shadow")
    wrong_answers: int = Field(ge=0, description="of people, said on purpose")
    withheld: tuple[str, ...] = Field(description="classes of the champion, after the look")
    staged: tuple[str, ...] = Field(description="what the replay did to the desk, in words")


class Said(Record):
    """One batch of feedback, and what of it was held back when it was collected."""

    month: NonEmpty
    batch: NonEmpty
    rows: int = Field(ge=0)
    wrong: int = Field(ge=0)
    wrong_held: int = Field(ge=0)
    right_held: int = Field(ge=0)
    reasons: tuple[str, ...] = Field(description="of each quarantine")


class Retrained(Record):
    """One retrain, and what of the wrong feedback it learned."""

    month: NonEmpty
    number: int = Field(ge=1)
    version: str
    outcome: Outcome
    reasons: tuple[str, ...] = Field(description="of the gate")
    feedback_rows: int = Field(ge=0, description="of all batches")
    wrong_rows: int = Field(ge=0)
    wrong_learned: int = Field(ge=0)
    wrong_set_aside: dict[str, int] = Field(description="why -> rows")


class RolledBack(Record):
    """One rollback."""

    month: NonEmpty
    number: int = Field(ge=1)
    version: NonEmpty = Field(description="who answers again")
    former: NonEmpty = Field(description="who answered before")
    by: Who
    why: NonEmpty


class Staged(MonthsPlayed):
    """Everything that is kept of months with staged incidents."""

    months: tuple[StagedMonth, ...] = ()
    batches: tuple[Said, ...] = ()
    poisoned: tuple[str, ...] = Field(default=(), description="batches")
    retrains: tuple[Retrained, ...] = ()
    rollbacks: tuple[RolledBack, ...] = ()
    bad: str | None = Field(default=None, description="the version promoted against the gate")
    alerted: int | None = Field(
        default=None, description="number of the month in which a class of it lost its certificate"
    )
