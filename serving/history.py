"""The shapes in which stored predictions are told, and their examples."""

from typing import Self

from pydantic import AwareDatetime, Field, JsonValue

from data.schema import ArmKind, Prediction, Record, Ticket
from data.store import MAX_PAGE, Answered, Query, StoredFeedback
from serving.examples import OTHER_PREDICTION, OTHER_TICKET


class KeptTicket(Ticket):
    """A ticket as it is kept: personal data masked."""

    # A class of its own: a schema of what comes in and one of what goes out differ in what is
    # required, and one name for both would name neither in the document.

    @classmethod
    def of(cls, ticket: Ticket) -> Self:
        """The same ticket under this name."""
        return cls(**dict(ticket))


class KeptPrediction(Record):
    """A ticket, its answer, how it came about, and what was said of it."""

    id: str
    at: AwareDatetime
    ticket: KeptTicket
    customer: str | None
    prediction: Prediction
    arm: ArmKind
    propensity: float = Field(description="probability of this arm for this ticket")
    audit: bool = Field(description="whether the audit sample drew it")
    audit_propensity: float = Field(description="probability of being drawn")
    cost: dict[str, float] = Field(description="target -> expected cost of a wrong decision")
    explicit: bool = Field(description="whether the caller named the arm")
    beside: str | None = Field(
        default=None, description="of a shadow: `id` of the answer that was told"
    )
    correlation: str | None = Field(
        default=None, description="the request it came with: its answer's X-Request-ID"
    )
    feedback: tuple[StoredFeedback, ...] = Field(description="the oldest first")

    @classmethod
    def of(cls, answered: Answered) -> Self:
        """What is told of a stored prediction."""
        row = answered.stored
        return cls(
            id=row.id,
            at=row.at,
            ticket=KeptTicket.of(row.ticket),
            customer=row.customer,
            prediction=row.prediction,
            arm=row.arm,
            propensity=row.propensity,
            audit=row.audit,
            audit_propensity=row.audit_propensity,
            cost=row.cost,
            explicit=row.explicit,
            beside=row.beside,
            correlation=row.correlation,
            feedback=answered.feedback,
        )


class KeptPage(Record):
    """Some of what was asked for, the newest first."""

    predictions: tuple[KeptPrediction, ...]
    next: str | None = Field(description="give it as `cursor` for the page after; null at the end")


class Search(Query):
    """Filters, and which page of what they leave."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(
        default=None, min_length=1, max_length=500, description="`next` of the page before"
    )

    @property
    def query(self) -> Query:
        """The filters alone."""
        return Query.model_construct(
            **{name: value for name, value in self if name in Query.model_fields}
        )


KEPT_TICKET: dict[str, JsonValue] = {**OTHER_TICKET, "language": "en", "created_at": None}

KEPT: dict[str, JsonValue] = {
    "id": "019aaf3b1c007a3e9d2b4c5d6e7f8092",
    "at": "2026-11-23T08:00:00Z",
    "ticket": KEPT_TICKET,
    "customer": "C-77",
    "prediction": OTHER_PREDICTION,
    "arm": "champion",
    "propensity": 0.9,
    "audit": False,
    "audit_propensity": 0.02,
    "cost": {"team": 0.38},
    "explicit": False,
    "beside": None,
    "correlation": "4bf92f3577b34da6a3ce929d0e0e4736",
    "feedback": [
        {
            "key": "agent-7-2026-11-23-002",
            "prediction_id": "019aaf3b1c007a3e9d2b4c5d6e7f8092",
            "target": "team",
            "verdict": "correct",
            "label": "purchasing",
            "author": "agent-7",
            "at": "2026-11-23T09:12:00Z",
            "status": "accepted",
        }
    ],
}
"""A stored prediction of the documentation; invented."""

REVIEW: dict[str, JsonValue] = {
    "items": [
        {
            "prediction_id": KEPT["id"],
            "at": KEPT["at"],
            "bundle": OTHER_PREDICTION["bundle"],
            "ticket": KEPT_TICKET,
            "language": "en",
            "audit": False,
            "cost": 0.38,
            "targets": OTHER_PREDICTION["targets"],
            "costs": {"team": 0.38},
            "similar": [],
        }
    ]
}
"""A queue of the documentation."""
