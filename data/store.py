"""The store: what was asked, what was answered, and what people said of it.

Append-only facts behind one protocol. `data.sql` keeps them in SQLite or PostgreSQL; serving writes
them and pipelines read them. Text is kept as `data.privacy` leaves it, never as it came in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Protocol

from pydantic import AwareDatetime, BeforeValidator, Field, JsonValue, model_validator

from data.correlation import Correlation
from data.schema import ArmKind, Decision, NonEmpty, Prediction, Record, Ticket

MAX_PAGE = 500
"""Predictions of one page, at most."""

_UUID7 = re.compile(r"[0-9a-f]{12}7[0-9a-f]{19}")

Key = NonEmpty
Verdict = Literal["confirm", "correct", "reject"]
FeedbackStatus = Literal["accepted", "proposal", "pending"]
"""Where feedback stands.

`accepted`: it names no label, or one the answering bundle knows. `proposal`: that bundle does not
know it, or answered no such target (which is refused where the prediction is there to tell); kept,
never trained on. `pending`: the prediction it speaks of is not stored yet.
"""


def asked_at(at: datetime, beside: str | None) -> datetime:
    """When the ticket of an answer came, by the moment in the id of the one told, if it tells one.

    Ids are UUIDv7 (RFC 9562, section 5.7): their first 48 bits are milliseconds since 1970.
    """
    if beside is None or not _UUID7.fullmatch(beside):
        return at
    told = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(beside[:12], 16))
    return min(at, told)


class StoredPrediction(Record):
    """A ticket, its answer, and how it came about."""

    id: Key = Field(max_length=40, description="UUIDv7 in hex: sorts by the moment it was made")
    at: AwareDatetime
    ticket: Ticket = Field(description="personal data masked")
    customer: str | None = Field(default=None, max_length=200, description="the caller's key")
    prediction: Prediction
    arm: ArmKind
    propensity: float = Field(gt=0, le=1, description="probability of this arm for this ticket")
    audit: bool = Field(description="whether the audit sample drew it")
    audit_propensity: float = Field(ge=0, le=1, description="probability of being drawn")
    cost: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        default={}, description="target -> expected cost of a wrong decision, in the unit set"
    )
    explicit: bool = Field(
        default=False, description="whether the caller named the arm: no draw, so no comparison"
    )
    beside: Key | None = Field(
        default=None, max_length=40, description="of a shadow: `id` of the answer that was told"
    )
    correlation: Correlation | None = Field(
        default=None, description="the request it came with, as logs and traces name it"
    )

    @property
    def shadow(self) -> bool:
        """Whether nobody was told this answer."""
        return self.arm == "shadow"

    @property
    def asked_at(self) -> datetime:
        """When the ticket came: a shadow answers later than that."""
        return asked_at(self.at, self.beside)


class Feedback(Record):
    """What a person says of one target of one prediction."""

    key: Key = Field(max_length=200, description="the client's; the same key counts once")
    prediction_id: Key = Field(max_length=40)
    target: NonEmpty = Field(max_length=200)
    verdict: Verdict
    label: str | None = Field(
        default=None, min_length=1, max_length=200, description="the right one; only to correct"
    )
    author: str | None = Field(default=None, max_length=200)
    at: AwareDatetime
    correlation: Correlation | None = Field(
        default=None, description="the request it came with; no part of what was said"
    )

    @model_validator(mode="after")
    def _a_correction_names_its_label(self) -> "Feedback":
        if (self.verdict == "correct") != (self.label is not None):
            raise ValueError("a label is given to correct, and only then")
        return self


class StoredFeedback(Feedback):
    """Feedback with what became of it."""

    status: FeedbackStatus


class Answered(Record):
    """A prediction with everything that was said of it, the oldest first."""

    stored: StoredPrediction
    feedback: tuple[StoredFeedback, ...] = ()


def _as_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Query(Record):
    """Which predictions are meant; what is None does not matter."""

    text: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="found in subject or text, in any case",
    )
    target: str | None = Field(default=None, max_length=200)
    label: str | None = Field(default=None, max_length=200)
    decision: Decision | None = None
    language: str | None = Field(default=None, max_length=8)
    arm: Annotated[tuple[ArmKind, ...] | None, BeforeValidator(_as_several)] = Field(
        default=None, description="one of these; may be given several times"
    )
    bundle: str | None = Field(default=None, max_length=200)
    audit: bool | None = None
    explicit: bool | None = Field(default=None, description="whether the caller named the arm")
    beside: str | None = Field(
        default=None, max_length=40, description="what shadows answered beside this prediction"
    )
    answered: bool | None = Field(default=None, description="whether there is feedback")
    ticket_id: str | None = Field(default=None, max_length=200)
    customer: str | None = Field(default=None, max_length=200)
    since: AwareDatetime | None = Field(default=None, description="this moment and later")
    until: AwareDatetime | None = Field(default=None, description="before this moment")


class Page(Record):
    """Some of what was asked for, the newest first."""

    found: tuple[Answered, ...]
    next: str | None = Field(description="give it back for the page after; null at the end")


class Event(Record):
    """A line of the audit log: who did what to what."""

    at: AwareDatetime
    actor: NonEmpty = Field(max_length=200)
    action: NonEmpty = Field(max_length=80, description="e.g. `erase`, `publish`, `override`")
    subject: str = Field(max_length=200, description="an id or version, never what was written")
    detail: dict[str, JsonValue] = Field(default={})


class Erasure(Record):
    """Whose rows are to go: one ticket's or one customer's, never both at once."""

    ticket_id: str | None = Field(default=None, min_length=1, max_length=200)
    customer: str | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "Erasure":
        if (self.ticket_id is None) == (self.customer is None):
            raise ValueError("name either a ticket or a customer")
        return self


class Erased(Record):
    """What an erasure took away."""

    predictions: int = Field(ge=0)
    feedback: int = Field(ge=0)


class Store(Protocol):
    """Where the facts are kept. Calls block; every write is durable when it returns."""

    def know_bundle(self, version: str, targets: Mapping[str, Sequence[str]]) -> None:
        """Remember which labels a bundle may answer; once is enough, before its predictions."""

    def add_predictions(self, rows: Sequence[StoredPrediction]) -> None:
        """Keep predictions, all or none; an id that is there already is left as it is.

        Feedback that was pending on them is given its status. A ticket or customer whose erasure
        was logged after the prediction was made is not stored again.
        """

    def add_feedback(self, rows: Sequence[Feedback]) -> tuple[StoredFeedback, ...]:
        """Keep feedback, all or none, and tell what became of each; a repeated key counts once.

        The moment is no part of the content: repeated with another one, the first one stays.

        Raises
        ------
        ConflictError
            If a key was used before with other content; nothing is kept then.
        DataError
            If a target is not one the prediction answered; nothing is kept then.
        """

    def find(self, prediction_id: str) -> Answered | None:
        """One prediction with its feedback."""

    def search(self, query: Query, limit: int = 50, cursor: str | None = None) -> Page:
        """A page of what matches, the newest first, stable under inserts.

        Raises
        ------
        DataError
            If the cursor is none of ours, or the limit is not in 1..MAX_PAGE.
        """

    def stream(self, query: Query) -> Iterator[Answered]:
        """All that matches, the oldest first, in constant memory."""

    def to_review(self, targets: Sequence[str] | None = None, limit: int = 50) -> list[Answered]:
        """What nobody answered yet and a person should: sent to review, or drawn by the audit.

        A prediction is here while one of the targets asked for (None: all) is in review, or the
        audit drew it, and nothing was said of that target. The one whose such targets cost
        most together comes first, of equals the older; no shadows.
        """

    def erase(self, erasure: Erasure, actor: str, at: AwareDatetime) -> Erased:
        """Remove every row of a ticket or customer, and log that without telling whose it was."""

    def is_erased(self, *, ticket_id: str | None = None, customer: str | None = None) -> bool:
        """Whether rows of this ticket or customer were ever asked to be erased."""

    def drop_before(self, moment: AwareDatetime, actor: str, at: AwareDatetime) -> Erased:
        """Remove what is older than the retention allows, and log it."""

    def log(self, event: Event) -> None:
        """Append a line to the audit log."""

    def events(self, limit: int = 100, action: str | None = None) -> list[Event]:
        """Lines of the audit log, the newest first."""

    def ping(self) -> None:
        """Raise StoreError unless the store can be written now."""

    def close(self) -> None:
        """Let go of connections."""
