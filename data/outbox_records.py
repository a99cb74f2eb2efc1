"""What waits to be delivered, as records; reading this file loads no database."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, Field

from data.schema import Record

State = Literal["waiting", "dead"]

LONGEST = timedelta(days=1)
"""No attempt is put off for longer: one that lies further ahead was set by a clock that jumped."""


class Entry(Record):
    """An event on its way to one endpoint."""

    endpoint: str
    id: str = Field(description="the same for the same event, however often it is sent")
    kind: str
    at: AwareDatetime
    body: str = Field(repr=False)
    state: State
    attempts: int = Field(ge=0)
    next_at: AwareDatetime
    outcome: str | None = Field(description="of the last attempt")


class Outcome(NamedTuple):
    """What became of an attempt."""

    entry: Entry
    delivered: bool
    told: str
    """In a few words, none of them the receiver's."""
    again_at: datetime | None
    """When it is tried again; None: a person must ask for that."""


class Depth(Record):
    """How much waits for one endpoint."""

    waiting: int = Field(ge=0)
    dead: int = Field(ge=0)
    oldest: AwareDatetime | None = Field(description="when the oldest of those waiting happened")
