"""An answer that waits to be stored."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from data.store import Erasure, StoredPrediction
from serving.arms import Told
from serving.costs import Costs
from serving.masking import mask_answered


@dataclass(eq=False)
class Waiting:
    """What was told, since when it waits, and who wants to know when it is written."""

    told: Told
    since: float
    """By the monotonic clock, in seconds."""
    done: "Future[None]" = field(default_factory=Future)
    _row: StoredPrediction | None = None

    @property
    def version(self) -> str:
        """The bundle that answered."""
        return self.told.prediction.bundle

    def is_of(self, erasure: Erasure) -> bool:
        """Whether an erasure means this ticket or its customer."""
        if erasure.ticket_id is not None:
            return self.told.ticket.id == erasure.ticket_id
        return self.told.customer == erasure.customer

    def stored(self, costs: Costs, targets: Mapping[str, Sequence[str]] | None) -> StoredPrediction:
        """The row to store, masked and with its expected costs; made once."""
        if self._row is None:
            told = self.told
            ticket, prediction = mask_answered(told.ticket, told.prediction)
            self._row = StoredPrediction(
                id=told.id,
                at=told.at,
                ticket=ticket,
                customer=told.customer,
                prediction=prediction,
                arm=told.arm,
                propensity=told.propensity,
                audit=told.audit,
                audit_propensity=told.audit_propensity,
                cost=costs.expected_of(prediction, targets),
                explicit=told.explicit,
                beside=told.beside,
                correlation=told.correlation,
            )
        return self._row

    def finish(self) -> None:
        """Tell who waits that this is written, or will not be."""
        if not self.done.done():
            self.done.set_result(None)
