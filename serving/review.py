"""What a person should look at first, as they need to see it."""

from collections.abc import Collection
from typing import Self

from pydantic import AwareDatetime, Field

from data.schema import Neighbour, Record, TargetPrediction
from data.store import Answered
from serving.history import KeptTicket


class ReviewItem(Record):
    """A ticket that waits for a person: answer it with feedback on `prediction_id`."""

    prediction_id: str
    at: AwareDatetime
    bundle: str
    ticket: KeptTicket
    language: str | None
    audit: bool = Field(
        description="drawn at random to check what is routed without a person; all of its targets "
        "want an answer, whatever the model decided"
    )
    cost: float = Field(description="expected of wrong decisions on these targets, together")
    targets: dict[str, TargetPrediction] = Field(
        description="those nobody answered yet, with shortlist, reason and the words that told"
    )
    costs: dict[str, float] = Field(description="per target")
    similar: tuple[Neighbour, ...] = Field(
        description="past tickets like this one, with their labels and how they were solved"
    )

    @classmethod
    def of(cls, answered: Answered, wanted: Collection[str] | None = None) -> Self:
        """The item of a prediction, with those of the targets wanted that are open."""
        row = answered.stored
        said = {feedback.target for feedback in answered.feedback}
        targets = {
            name: answer
            for name, answer in row.prediction.targets.items()
            if name not in said
            and (wanted is None or name in wanted)
            and (row.audit or answer.decision == "review")
        }
        costs = {name: row.cost[name] for name in targets if name in row.cost}
        return cls(
            prediction_id=row.id,
            at=row.at,
            bundle=row.prediction.bundle,
            ticket=KeptTicket.of(row.ticket),
            language=row.prediction.language,
            audit=row.audit,
            cost=sum(costs.values()),
            targets=targets,
            costs=costs,
            similar=row.prediction.similar,
        )


class Review(Record):
    """The dearest first, the older of equals."""

    items: tuple[ReviewItem, ...]
