"""What an event of a check tells: written by `pipelines.monitor`, read by whoever shows it.

The newest `live.checked` of a bundle and the newest `drift.checked` are how the two halves of the
house learn the same figures without asking each other.
"""

from collections.abc import Iterable
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from data.store import Event
from evaluation.drift_report import Action
from evaluation.live import Estimate, LiveBundle

LIVE = "live.checked"
DRIFT = "drift.checked"


class Told(BaseModel):
    """The detail of an event; what another version of the program adds to it is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    reasons: tuple[str, ...] = Field(description="in words a support manager understands")


class LiveFigures(BaseModel):
    """One target of one bundle on its audited answers, with intervals that always hold."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    audited: int = Field(ge=0)
    answered: int = Field(ge=0)
    accuracy: Estimate
    automatic_accuracy: Estimate
    automation: Estimate


class LiveTold(Told):
    """What `live.checked` tells of the bundle that is its subject."""

    targets: dict[str, LiveFigures]

    @classmethod
    def of(cls, found: LiveBundle, reasons: Iterable[str]) -> Self:
        """The figures of a bundle."""
        targets = {
            name: LiveFigures.model_validate(
                target.model_dump(include=set(LiveFigures.model_fields))
            )
            for name, target in found.targets.items()
        }
        return cls(reasons=tuple(reasons), targets=targets)

    def detail(self) -> dict[str, JsonValue]:
        """As the event holds it."""
        told: dict[str, JsonValue] = self.model_dump(mode="json")
        return told


class DriftTold(Told):
    """What `drift.checked` tells, as `DriftReport.detail` writes it."""

    action: Action
    enough: bool
    checks: tuple[str, ...] = Field(description="those that drifted")
    effects: dict[str, float]


T = TypeVar("T", bound=Told)


def read_told(event: Event, kind: type[T]) -> T | None:
    """What an event tells; None where another version of the program wrote it otherwise."""
    try:
        return kind.model_validate(event.detail)
    except ValidationError:
        return None
