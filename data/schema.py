"""The records that travel through the house: frozen, validated once, at the edge."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_TEXT = 50_000
"""Characters of one ticket that are read; longer input is refused, never cut in silence."""

NonEmpty = Annotated[str, StringConstraints(min_length=1)]
Decision = Literal["auto", "review"]
Reason = Literal["certified", "below_threshold", "class_not_certified", "degraded"]
"""Why a decision was taken.

`certified`: the confidence reaches the class's certified threshold. `below_threshold`: it does not.
`class_not_certified`: the class holds no certificate, so none of its tickets is routed unseen.
`degraded`: a member did not answer, and the certificate speaks of all of them together.
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
        default=None, description="certified threshold of the class; null where there is none"
    )
    shortlist: tuple[Candidate, ...] = Field(
        default=(),
        description="conformal set, most probable first; holds the right label with the "
        "probability stated in the manifest",
    )


class Prediction(Record):
    """The answer to one ticket; it knows which bundle gave it."""

    ticket_id: str | None
    bundle: NonEmpty
    fallback: bool = Field(description="true when the bundle was trained on the bundled sample")
    language: str | None
    targets: dict[str, TargetPrediction]
    degraded: tuple[str, ...] = Field(default=(), description="members that did not answer")
