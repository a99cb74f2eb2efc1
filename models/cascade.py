"""The certified cascade: the linear member decides alone what the whole ensemble would decide too.

Most tickets are easy: words alone give them away, and the encoders, which cost nearly all the time,
change nothing. Such a ticket stops at the first tier, with the decision `auto`; every other one
goes on to the whole ensemble. Where to stop, and what both tiers together promise, is fitted in
`models.cascade_fitting`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from data.errors import BundleError
from data.schema import TargetPrediction
from models.base import Probabilities
from models.calibration import apply_temperature
from models.ensemble import Ensemble
from models.routing import RoutingPolicy

FIRST = "linear"
"""The member that is asked first: it reads words only, and costs a small part of the others."""

FOLDER, FILE = "cascade", "cascade.json"
"""Of the part of a bundle that holds a cascade."""


class CascadeParams(BaseModel):
    """What a ticket may stop early for; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="false: the bundle holds none")
    agreement: float = Field(
        default=0.995, gt=0, lt=1, description="share of tickets decided as by all members"
    )
    confidence: float = Field(default=0.95, gt=0, lt=1, description="of the bound that shows it")


class Agreement(BaseModel):
    """How many held-out tickets both tiers decide as the whole ensemble does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tickets: int
    stopped: int = Field(description="of them at the first tier")
    different: int = Field(description="decided otherwise: another label, or not by the same hand")
    lower_bound: float = Field(description="exact lower bound of the share decided the same")


class TargetCascade(BaseModel):
    """Where the answers for one target stop, and what both tiers together promise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: PositiveFloat = Field(description="of the first member alone")
    thresholds: dict[str, float | None] = Field(
        description="label -> lowest confidence at which an answer stops, in column order; "
        "null: it never does"
    )
    routing: RoutingPolicy = Field(
        description="certificate of what both tiers route; its thresholds are the second one's"
    )

    def calibrated(self, answers: Probabilities) -> Probabilities:
        """The first member's probabilities (n, k) with confidences that mean what they say."""
        return apply_temperature(answers, self.temperature)

    def stops(self, calibrated: Probabilities) -> NDArray[np.bool_]:
        """Whether each answer, shape (n, k), is sure enough for this target; shape (n,)."""
        limits = np.array([np.inf if t is None else t for t in self.thresholds.values()])
        return np.asarray(calibrated.max(axis=1) >= limits[calibrated.argmax(axis=1)])

    def decide(self, calibrated: NDArray[np.float64]) -> TargetPrediction:
        """The decision about one answer that stops, of shape (k,)."""
        label = tuple(self.thresholds)[calibrated.argmax()]
        return TargetPrediction(
            label=label,
            confidence=min(1.0, float(calibrated.max())),
            decision="auto",
            reason="certified",
            threshold=self.thresholds[label],
        )


class Cascade(BaseModel):
    """Both tiers of every target; a ticket stops where the answers for all of them do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: dict[str, TargetCascade]
    agreement: Agreement

    def calibrated(self, answers: Mapping[str, Probabilities]) -> dict[str, Probabilities]:
        """Target -> calibrated probabilities (n, k), from those of the first member."""
        return {name: found.calibrated(answers[name]) for name, found in self.targets.items()}

    def stops(
        self, calibrated: Mapping[str, Probabilities], languages: Sequence[str | None]
    ) -> NDArray[np.bool_]:
        """Which tickets need no other member, by what `calibrated` gave; shape (n,).

        Parameters
        ----------
        languages : of the tickets; one in which some target is not routed goes on
        """
        spoken = {
            one: all(found.routing.speaks(one) for found in self.targets.values())
            for one in set(languages)
        }
        every = [found.stops(calibrated[name]) for name, found in self.targets.items()]
        own = np.array([spoken[one] for one in languages], dtype=bool)
        return np.asarray(np.all([own, *every], axis=0))

    def settle(
        self,
        answers: Mapping[str, Probabilities],
        languages: Sequence[str | None],
        lost: Mapping[str, Collection[str]],
    ) -> dict[int, dict[str, TargetPrediction]]:
        """Row -> target -> the decision, of the tickets that stop at the first tier.

        Parameters
        ----------
        answers : target -> probabilities (n, k) of the first member, as it gives them
        languages : of the tickets, shape (n,)
        lost : target -> labels whose certificate was lost live; their tickets go on, for a person
            is to get the whole ensemble's short list
        """
        calibrated = self.calibrated(answers)
        settled = {}
        for row in np.flatnonzero(self.stops(calibrated, languages)).tolist():
            decided = {
                name: found.decide(calibrated[name][row]) for name, found in self.targets.items()
            }
            if not any(one.label in lost.get(name, ()) for name, one in decided.items()):
                settled[row] = decided
        return settled

    def write(self, folder: Path) -> None:
        """Write cascade.json into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def find_cascade(folder: Path, ensemble: Ensemble) -> Cascade | None:
    """The cascade that lies in a folder, None where there is none.

    Raises
    ------
    BundleError
        If it cannot be read, or speaks of other targets or labels than the ensemble.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        found = Cascade.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValidationError, ValueError) as error:
        raise BundleError(f"{path} is not a cascade: {type(error).__name__}") from error
    labels = {name: tuple(target.thresholds) for name, target in found.targets.items()}
    if labels != {name: target.classes for name, target in ensemble.targets.items()}:
        raise BundleError(f"{path} speaks of other targets or labels than the ensemble")
    if FIRST not in ensemble.members:
        raise BundleError(f"{path} needs {FIRST}, which carries no weight")
    return found


def joined(
    first: Probabilities, second: Probabilities, stopped: NDArray[np.bool_]
) -> Probabilities:
    """What both tiers answer, shape (n, k): an answer that stopped is as sure as can be.

    So that a policy routes it whatever its threshold, as long as its class holds a certificate.

    Parameters
    ----------
    first, second : calibrated, of the first member and of the whole ensemble, shape (n, k)
    stopped : shape (n,)
    """
    sure = np.eye(first.shape[1])[first.argmax(axis=1)]
    return np.where(stopped[:, None], sure, second)
