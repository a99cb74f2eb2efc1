"""Figures of a period as they are written and told."""

from datetime import date

from pydantic import Field

from data.schema import Record
from evaluation.live import Estimate


class Part(Record):
    """A day, a week or four weeks."""

    begin: date
    tickets: int
    automatic: int
    right: Estimate | None = Field(description="of automatic answers; null where none was judged")


class TargetFacts(Record):
    """One target in a period."""

    name: str
    tickets: int
    automatic: int = Field(description="routed without a person")
    automation: float | None = Field(description="automatic / tickets; null without tickets")
    looked_at: int = Field(description="automatic, and a person spoke of it all the same")
    audited: int
    answered: int = Field(description="audited, and people said whether it was right")
    right: Estimate = Field(description="of all answers, on the audit sample")
    automatic_right: Estimate = Field(description="of the automatic ones, on the audit sample")
    several: int = Field(description="answers that more than one author spoke of")
    agreed: int = Field(description="of these, those of which all said the same")
    fine: tuple[Part, ...] = Field(description="days; weeks of a long period")
    coarse: tuple[Part, ...] = Field(description="weeks; four weeks of a long period")


class Quality(Record):
    """What people said in a period."""

    said: int
    verdicts: dict[str, int]
    authors: int = Field(description="those without a name are one")
    several: int
    agreed: int
    proposals: dict[str, int] = Field(description="`target: label` no bundle knows -> how often")
    left_out: int = Field(description="held back or revoked; nothing else counts it")
