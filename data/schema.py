"""The records that travel through the house: frozen, validated once, at the edge."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_TEXT = 50_000
"""Characters of one ticket that are read; longer input is refused, never cut in silence."""

NonEmpty = Annotated[str, StringConstraints(min_length=1)]
Decision = Literal["auto", "review"]
ArmKind = Literal["champion", "challenger", "shadow"]
"""Who answers, who competes and who only watches."""
Detail = Literal["full", "decision"]
"""How much of an answer is asked for: all of it, or what is to be done with the ticket."""
Tier = Literal["linear", "ensemble"]
"""Of a cascade: the first member alone, or all members together."""
Reason = Literal[
    "certified",
    "below_threshold",
    "class_not_certified",
    "language_not_certified",
    "novel",
    "degraded",
    "certificate_lost",
]
"""Why a decision was taken.

`certified`: the confidence reaches the class's certified threshold. `below_threshold`: it does not.
`class_not_certified`: the class holds no certificate, so none of its tickets is routed unseen.
`language_not_certified`: too few tickets in this language were seen to promise anything for it.
`novel`: no ticket like this one was learned from. `degraded`: a member did not answer, and the
certificate speaks of all of them together. `certificate_lost`: it would have been routed, had
audited tickets not shown since that the class falls short of what was promised.
"""


class Record(BaseModel):
    """A frozen record that refuses unknown fields and keeps input out of its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Entity(Record):
    """A span of the customer's own text: `text[start:end]`, in characters."""

    start: int = Field(ge=0)
    end: int = Field(gt=0)
    label: NonEmpty
    value: str | None = Field(
        default=None, description="normal form, e.g. ISO 8601, E.164, bytes; null if there is none"
    )
    source: Literal["rule", "model"] = "rule"


class Evidence(Record):
    """A phrase that tells how bad it is: `text[start:end]`, in characters."""

    kind: NonEmpty
    start: int = Field(ge=0)
    end: int = Field(gt=0)


class Ticket(Record):
    """What a customer wrote; `subject` and `text` are read as one."""

    id: str | None = Field(default=None, max_length=200)
    subject: str = Field(default="", max_length=1_000)
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    language: str | None = Field(
        default=None, max_length=8, description="ISO 639-1; detected if absent"
    )
    created_at: datetime | None = None

    @property
    def full_text(self) -> str:
        """Subject and text on separate lines, the text alone where there is no subject."""
        return f"{self.subject}\n{self.text}" if self.subject else self.text


class WordWeight(Record):
    """A word as the model reads it, and how many log-odds it adds to the answer."""

    word: NonEmpty
    weight: float


class Neighbour(Record):
    """A past ticket that resembles this one."""

    id: NonEmpty
    similarity: float = Field(
        ge=-1,
        le=1,
        description="cosine of the two tickets' vectors; `/v1/similar` takes the mean of it and of "
        "the cosine of their words",
    )
    labels: dict[str, str] = Field(description="target -> label, those missing left out")
    resolution: str | None = Field(default=None, description="how it was solved, where known")


class Candidate(Record):
    """One possible label and its calibrated probability."""

    label: NonEmpty
    probability: float = Field(ge=0, le=1)


class TargetPrediction(Record):
    """What is believed about one target of one ticket, and what is to be done with it."""

    label: NonEmpty
    confidence: float = Field(ge=0, le=1, description="calibrated probability of `label`")
    decision: Decision
    reason: Reason
    threshold: float | None = Field(
        default=None,
        description="certified threshold of the class, of a ticket decided by the linear member "
        "alone that of its tier; null where there is none",
    )
    shortlist: tuple[Candidate, ...] = Field(
        default=(),
        description="conformal set, most probable first; holds the right label with the "
        "probability stated in the manifest",
    )
    words: tuple[WordWeight, ...] = Field(
        default=(),
        description="what moved the linear member towards `label`, the weightiest first",
    )
    evidence: tuple[Evidence, ...] = Field(
        default=(), description="of a target whose labels stand in order: what tells the level"
    )


class Prediction(Record):
    """The answer to one ticket; it knows which bundle gave it."""

    ticket_id: str | None
    bundle: NonEmpty
    fallback: bool = Field(description="true when the bundle was trained on the bundled sample")
    language: str | None
    targets: dict[str, TargetPrediction]
    sentiment: Candidate | None = Field(
        default=None,
        description="null where sentiment is a target, no reader of it is sealed, or it has not "
        "learned the ticket's language",
    )
    entities: tuple[Entity, ...] = Field(
        default=(),
        description="by place, none overlapping; offsets count the characters of "
        "subject, line break and text, or of the text alone where there is no subject",
    )
    novelty: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="share of known tickets that are as unlike the learned ones as this one; "
        "small: novel. Null where the bundle keeps no memory",
    )
    similar: tuple[Neighbour, ...] = Field(
        default=(), description="nearest past tickets, the nearest first"
    )
    degraded: tuple[str, ...] = Field(default=(), description="members that did not answer")
    tier: Tier | None = Field(
        default=None,
        description="who decided, where a cascade was asked: the linear member alone, which is "
        "shown to decide as all members would, or all of them. Null: no cascade was asked",
    )
    id: str | None = Field(
        default=None, max_length=40, description="names this answer: feedback on it needs it"
    )
    arm: ArmKind | None = Field(default=None, description="as what the bundle answered")
