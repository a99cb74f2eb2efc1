"""What is kept of feedback to learn from: one row per said thing, and what became of its batch."""

from collections.abc import Iterable
from typing import Literal

from pydantic import AwareDatetime, Field

from data.chain import Link
from data.schema import ArmKind, Decision, NonEmpty, Record, Ticket
from data.store import Answered, StoredFeedback, Verdict

Origin = Literal["audit", "review", "unasked"]
"""How it came that a person spoke.

`audit`: the audit sample drew the ticket, whatever the model said. `review`: the ticket was left to
a person. `unasked`: nobody asked; people speak of what is wrong, so it is no sample of anything.
"""
Part = Literal["rows", "rejected", "proposals"]
"""The files of a batch: what can be learned from, what cannot and why, and unknown labels."""


class FeedbackRow(Record):
    """What one author said of one target of one ticket, with all that is needed to judge it."""

    key: NonEmpty
    prediction_id: NonEmpty
    target: NonEmpty
    verdict: Verdict
    label: str | None = Field(description="the right one as the author sees it; null: not told")
    author: str | None
    at: AwareDatetime
    origin: Origin
    propensity: float | None = Field(
        description="probability of being asked; null where nobody asked"
    )
    predicted: NonEmpty
    confidence: float
    decision: Decision
    shortlist: tuple[str, ...] = ()
    bundle: NonEmpty
    arm: ArmKind
    answered_at: AwareDatetime
    language: str | None
    customer: str | None
    ticket: Ticket = Field(description="personal data masked")
    reason: str | None = Field(default=None, description="why it cannot be learned from")

    @property
    def name(self) -> str:
        """The author; empty where none is told, so that all nameless are one."""
        return self.author or ""

    @property
    def flipped(self) -> bool:
        """Whether a label other than the model's was given."""
        return self.label is not None and self.label != self.predicted


class FileSeal(Record):
    """What the bytes of a file must be."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    rows: int = Field(ge=0)


class Scope(Record):
    """Which rows of a batch are meant; what is null does not matter."""

    author: str | None = Field(default=None, description="empty: the nameless")
    target: str | None = None
    predicted: str | None = None
    label: str | None = None

    def holds(self, row: FeedbackRow) -> bool:
        """Whether a row is meant."""
        pairs = (
            (self.author, row.name),
            (self.target, row.target),
            (self.predicted, row.predicted),
            (self.label, row.label),
        )
        return all(wanted in (None, found) for wanted, found in pairs)

    def __str__(self) -> str:
        """In words, e.g. `author anna, category: network to printer`."""
        parts = []
        if self.author is not None:
            parts.append(f"author {self.author}" if self.author else "all without an author")
        if self.target is not None:
            move = f": {self.predicted or 'any'} to {self.label or 'any'}"
            parts.append(self.target + (move if self.predicted or self.label else ""))
        return ", ".join(parts) or "all rows"


class Entry(Link):
    """What happened to a batch, and who did it."""

    kind: Literal["collected", "erased", "quarantined", "released", "revoked"]
    batch: NonEmpty
    at: AwareDatetime
    actor: NonEmpty
    reasons: tuple[str, ...] = ()
    files: dict[Part, FileSeal] = Field(
        default={}, description="collected and erased: as it is now"
    )
    counts: dict[str, int] = Field(default={})
    scope: Scope | None = Field(default=None, description="of a quarantine")


def make_rows(answered: Answered) -> Iterable[tuple[Part, FeedbackRow]]:
    """What was said of one prediction, each with the file it belongs in."""
    stored = answered.stored
    for said in answered.feedback:
        answer = stored.prediction.targets.get(said.target)
        if said.status == "pending" or answer is None:
            continue  # the store keeps no accepted feedback on a target that was not answered
        origin: Origin = "unasked"
        if stored.audit:
            origin = "audit"
        elif answer.decision == "review" and not stored.shadow:
            origin = "review"
        asked = {"audit": stored.audit_propensity, "review": 1.0}
        label = said.label if said.verdict == "correct" else None
        row = FeedbackRow(
            key=said.key,
            prediction_id=said.prediction_id,
            target=said.target,
            verdict=said.verdict,
            label=answer.label if said.verdict == "confirm" else label,
            author=said.author,
            at=said.at,
            origin=origin,
            propensity=asked.get(origin),
            predicted=answer.label,
            confidence=answer.confidence,
            decision=answer.decision,
            shortlist=tuple(candidate.label for candidate in answer.shortlist),
            bundle=stored.prediction.bundle,
            arm=stored.arm,
            answered_at=stored.at,
            language=stored.prediction.language,
            customer=stored.customer,
            ticket=stored.ticket,
        )
        yield _place(said, row)


def _place(said: StoredFeedback, row: FeedbackRow) -> tuple[Part, FeedbackRow]:
    if said.status == "proposal":
        why = "the bundle that answered does not know the label"
        return "proposals", row.model_copy(update={"reason": why})
    if row.label is None:
        why = "it says what is wrong and not what is right"
        return "rejected", row.model_copy(update={"reason": why})
    return "rows", row
