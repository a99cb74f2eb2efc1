"""The ensemble: the members' answers per target become one, pooled or meant, and calibrated."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from data.errors import BundleError
from models.base import Probabilities
from models.calibration import apply_temperature, fit_temperature, log_loss
from models.confidence_map import ConfidenceMap
from models.ordinal import OrdinalAdjustment
from models.pooling import LogPool
from models.routing import RoutingPolicy
from models.severity import LevelEvidence
from models.shortlist import Shortlist

FILE = "ensemble.json"


class EnsembleParams(BaseModel):
    """Which members are asked; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: tuple[str, ...] = Field(default=("linear", "embedding", "finetuned"), min_length=1)
    least_valid: int = Field(
        default=500,
        ge=0,
        description="valid rows below which out-of-fold rows set weights and temperatures",
    )
    smallest_weight: float = Field(
        default=0.02, ge=0, lt=0.5, description="a member below this is left out of the target"
    )
    pool_C: PositiveFloat | None = Field(  # noqa: N815 - scikit-learn's name for it
        default=1.0,
        description="inverse strength of the penalty on weights per class; null: the mean always",
    )
    map_confidence: bool = Field(
        default=True, description="by what out-of-fold rows say of it, where that helps"
    )


class Combination(BaseModel):
    """How the answers of several members become one.

    By the pool where there is one and all its members answered. Otherwise each is cooled, their
    mean taken, and that cooled again: members differ in how sure of themselves they are, and a mean
    of the unlike ones has no single temperature that sets it right. The confidence of either is
    mapped at the end, where there is a map.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperatures: dict[str, PositiveFloat] = Field(description="of each member alone")
    weights: dict[str, float]
    temperature: PositiveFloat = Field(description="of the mean")
    pool: LogPool | None = Field(default=None, description="where it beats the mean")
    confidence: ConfidenceMap | None = Field(
        default=None, description="of what is pooled or meant, where it makes confidence truer"
    )

    def combine(self, answers: Mapping[str, Probabilities]) -> Probabilities:
        """Calibrated probabilities (n, k) from those of the members that answered."""
        if self.pool is not None and self.pool.weights.keys() <= answers.keys():
            told = self.pool.combine(answers)
        else:
            told = self.mean(answers)
        return told if self.confidence is None else self.confidence.apply(told)

    def mapped(
        self,
        confidence: ConfidenceMap,
        answers: Mapping[str, Probabilities],
        truth: NDArray[np.int64],
    ) -> Self:
        """The same with a map, and with the temperatures that suit it on these rows.

        Parameters
        ----------
        answers : member -> probabilities of shape (n, k)
        truth : class positions of shape (n,)
        """
        mean = self.temperature * fit_temperature(self.mean(answers), truth, confidence.apply)
        changes: dict[str, object] = {"confidence": confidence, "temperature": mean}
        if self.pool is not None:
            told = self.pool.combine(answers)
            changes["pool"] = self.pool.cooled(fit_temperature(told, truth, confidence.apply))
        return self.model_copy(update=changes)

    def mean(self, answers: Mapping[str, Probabilities]) -> Probabilities:
        """The same by the weighted mean, of whichever members answered."""
        cooled = {
            name: apply_temperature(found, self.temperatures[name])
            for name, found in answers.items()
        }
        return apply_temperature(weighted_mean(cooled, self.weights), self.temperature)


class TargetEnsemble(Combination):
    """All that turns the members' answers for one target into a decision."""

    classes: tuple[str, ...]
    routing: RoutingPolicy
    shortlist: Shortlist
    ordinal: OrdinalAdjustment | None = Field(
        default=None, description="of a target whose classes stand in order, where it helps"
    )

    @property
    def class_weights(self) -> dict[str, dict[str, float]]:
        """Member -> class -> weight in the pool; empty where the members are not pooled."""
        pooled = self.pool.weights if self.pool else {}
        return {m: dict(zip(self.classes, found, strict=True)) for m, found in pooled.items()}


class Ensemble(BaseModel):
    """The ensemble of every target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: dict[str, TargetEnsemble]
    lexicon: dict[str, tuple[str, ...]] = Field(
        default={}, description="phrases that the ordered targets are read from"
    )
    believed: tuple[str, ...] = Field(
        default=(), description="targets whose probabilities count as evidence of level"
    )

    @cached_property
    def evidence(self) -> LevelEvidence | None:
        """What ordered targets are read from; None where no target is."""
        if all(target.ordinal is None for target in self.targets.values()):
            return None
        others = {name: self.targets[name].classes for name in self.believed}
        return LevelEvidence(self.lexicon, others)

    @property
    def members(self) -> tuple[str, ...]:
        """Members that carry weight for some target, in a fixed order."""
        names = {m for t in self.targets.values() for m, weight in t.weights.items() if weight > 0}
        return tuple(sorted(names))

    def combine(
        self, answers: Mapping[str, Mapping[str, Probabilities]], texts: Sequence[str]
    ) -> dict[str, Probabilities]:
        """Target -> calibrated probabilities (n, k), from member -> target -> probabilities.

        Parameters
        ----------
        texts : as the members read them, shape (n,); ordered targets are read from them as well
        """
        combined = {
            name: target.combine({member: by_target[name] for member, by_target in answers.items()})
            for name, target in self.targets.items()
        }
        if self.evidence is None:
            return combined
        evidence = self.evidence.features(texts, combined)
        return {
            name: found
            if (adjustment := self.targets[name].ordinal) is None
            else adjustment.apply(found, evidence)
            for name, found in combined.items()
        }

    def write(self, folder: Path) -> None:
        """Write ensemble.json into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_ensemble(folder: Path) -> Ensemble:
    """Read ensemble.json; raises BundleError where it is missing or not valid."""
    try:
        return Ensemble.model_validate(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except OSError as error:
        raise BundleError(f"{folder / FILE} cannot be read") from error
    except (ValidationError, ValueError) as error:
        raise BundleError(f"{folder / FILE} is not an ensemble: {error}") from error


def weighted_mean(
    answers: Mapping[str, Probabilities], weights: Mapping[str, float]
) -> Probabilities:
    """Mean over the members present, their weights scaled to sum to 1; shape (n, k).

    Where none of those present carries weight, all count alike.
    """
    present = {name: weights.get(name, 0.0) for name in answers}
    total = sum(present.values())
    if total <= 0:
        present, total = dict.fromkeys(answers, 1.0), float(len(answers))
    mean: Probabilities = sum(
        (answers[name] * (weight / total) for name, weight in present.items() if weight > 0),
        start=np.zeros_like(next(iter(answers.values())), dtype=np.float64),
    )
    return mean


def fit_combination(
    answers: Mapping[str, Probabilities],
    truth: NDArray[np.int64],
    smallest: float,
    weights: Mapping[str, float] | None = None,
) -> Combination:
    """Temperatures and weights, each with the lowest log loss given those before it.

    Parameters
    ----------
    answers, truth, smallest : see `fit_weights`
    weights : taken as they are, if given
    """
    temperatures = {name: fit_temperature(found, truth) for name, found in answers.items()}
    cooled = {name: apply_temperature(answers[name], t) for name, t in temperatures.items()}
    chosen = dict(weights) if weights is not None else fit_weights(cooled, truth, smallest)
    temperature = fit_temperature(weighted_mean(cooled, chosen), truth)
    return Combination(temperatures=temperatures, weights=chosen, temperature=temperature)


def fit_weights(
    answers: Mapping[str, Probabilities], truth: NDArray[np.int64], smallest: float
) -> dict[str, float]:
    """Weights on the simplex with the lowest log loss of the mean.

    The loss is convex in the weights, so that the optimum is the only one.

    Parameters
    ----------
    answers : member -> probabilities of shape (n, k)
    truth : class positions of shape (n,); equal weights where there are none
    smallest : members below this share are dropped and the rest scaled up
    """
    names = list(answers)
    equal = np.full(len(names), 1 / len(names))
    if len(truth) == 0 or len(names) == 1:
        return dict(zip(names, equal.tolist(), strict=True))
    right = np.stack([answers[n][np.arange(len(truth)), truth] for n in names], axis=1)  # (n, m)
    # Only who learns needs it; who serves saves the time and the memory of its import.
    from scipy.optimize import minimize

    found = minimize(
        lambda w: log_loss((right @ w)[:, None], np.zeros(len(truth), dtype=np.int64)),
        equal,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(names),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )
    kept = np.where(found.x >= smallest, found.x, 0.0)
    return dict(zip(names, np.round(kept / kept.sum(), 4).tolist(), strict=True))
