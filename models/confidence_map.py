"""What a confidence is worth: a map learned from answers of models that had not seen the tickets.

A temperature bends the whole scale alike. Tickets of a support desk are a mixture: many are alike
to a thousand others, where the answer is nearly always right, and the rest are harder than they
look, so that the middle of the scale promises too much and its upper end too little.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.base import Probabilities
from models.calibration import SMALLEST, Gain, paired_gain

LEAST = 1e-6
"""Kept between the probability of the answer and that of the next class, and from 0 and 1."""


class ConfidenceMap(BaseModel):
    """Piecewise linear and strictly rising, so that neither an answer nor the order of any changes.

    Gupta and Ramdas, "Top-label calibration and multiclass-to-binary reductions", ICLR 2022: the
    confidence of the answer alone is set right. The other classes share the rest as before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidences: tuple[float, ...] = Field(min_length=2, description="rising, from 0 to 1")
    accuracies: tuple[float, ...] = Field(min_length=2, description="what each is worth, rising")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.confidences) != len(self.accuracies):
            raise ValueError("as many accuracies as confidences are needed")
        for told in (self.confidences, self.accuracies):
            if not (told[0] >= 0 and told[-1] <= 1 and (np.diff(told) > 0).all()):
                raise ValueError("confidences and accuracies must rise, within 0 and 1")
        return self

    def apply(self, probabilities: Probabilities) -> Probabilities:
        """The probabilities, shape (n, k), with the confidence of each answer mapped.

        Where the map would make the next class the likelier one, it ends just before that.
        """
        rows, answer = np.arange(len(probabilities)), probabilities.argmax(axis=1)
        told = probabilities[rows, answer]  # (n,)
        rest = 1 - told
        others = probabilities.copy()
        others[rows, answer] = 0
        next_one = others.max(axis=1)
        # The next class then has next_one * (1 - worth) / rest: equal to worth at this value.
        tie = next_one / np.maximum(rest + next_one, SMALLEST)
        worth = np.interp(told, self.confidences, self.accuracies)
        worth = np.minimum(np.maximum(worth, tie + LEAST), 1 - LEAST)
        worth = np.where(rest <= SMALLEST, told, worth)  # nothing is left for others to share
        mapped = others * ((1 - worth) / np.maximum(rest, SMALLEST))[:, None]
        mapped[rows, answer] = worth
        result: Probabilities = mapped / mapped.sum(axis=1, keepdims=True)
        return result


@dataclass(frozen=True)
class ChosenMap:
    """A map if it helps, and the answers to the rows it was chosen on.

    Attributes
    ----------
    map : fitted on all rows; None where mapping gains no more than its standard error
    probabilities : shape (n, k), each row mapped by one that was fitted without it
    gain : by mapping, on such rows
    """

    map: ConfidenceMap | None
    probabilities: Probabilities
    gain: Gain


def choose_map(
    probabilities: Probabilities, truth: NDArray[np.int64], folds: NDArray[np.int64]
) -> ChosenMap:
    """Fit a map, and keep it if rows it has not seen gain more than one standard error by it.

    Parameters
    ----------
    probabilities : calibrated, shape (n, k), of models that have not seen these rows
    truth : class positions, shape (n,)
    folds : part of each row, shape (n,); a part is mapped by what the others say
    """
    mapped = probabilities.copy()
    for part in np.unique(folds):
        seen, unseen = folds != part, folds == part
        if (found := fit_map(probabilities[seen], truth[seen])) is not None:
            mapped[unseen] = found.apply(probabilities[unseen])
    gain = paired_gain(probabilities, mapped, truth)
    whole = fit_map(probabilities, truth) if gain.counts else None
    return ChosenMap(whole, mapped if whole else probabilities, gain)


def fit_map(probabilities: Probabilities, truth: NDArray[np.int64]) -> ConfidenceMap | None:
    """Isotonic regression of being right on confidence, made strictly rising.

    Oron and Flournoy, "Centered Isotonic Regression: Point and Interval Estimation for
    Dose–Response Studies", Statistics in Biopharmaceutical Research 9(3), 2017: each flat block
    stands at its mean confidence, and between blocks the map is linear. A block of n rows of which
    h are right is worth (h + 1/2) / (n + 1), so that none is worth 0 or 1. None where the rows
    tell one block alone.
    """
    # Only who learns needs it; who serves saves the time and the memory of its import.
    from sklearn.isotonic import IsotonicRegression

    told = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    if not len(told):
        return None
    blocks = IsotonicRegression().fit_transform(told, right)
    values, block = np.unique(blocks, return_inverse=True)
    n = np.bincount(block)
    centres = np.bincount(block, told) / n
    worth = (np.bincount(block, right) + 0.5) / (n + 1)
    # Few rows are drawn further to the middle than many: what then falls is no step.
    kept = worth > np.concatenate([[0.0], np.maximum.accumulate(worth)[:-1]])
    centres, worth = centres[kept], worth[kept]
    if len(values) < 2 or len(centres) < 2:
        return None
    inside = (centres > LEAST) & (centres < 1 - LEAST)
    last = float(worth[-1])
    return ConfidenceMap(
        confidences=(0.0, *centres[inside].tolist(), 1.0),
        accuracies=(0.0, *worth[inside].tolist(), (1 + last) / 2),
    )
