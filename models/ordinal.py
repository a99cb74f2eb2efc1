"""Levels that stand in order: low < medium < high is more than three names.

A classifier with k classes treats "critical" taken for "low" like any other error. Here each step
of the scale is a yes-or-no question, "is it above this level?", and the answers give the levels
back: Frank and Hall, "A simple approach to ordinal classification", ECML 2001.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from models.base import Probabilities
from models.calibration import Gain, paired_gain

Floats = NDArray[np.float64]

SMALLEST = 1e-3
"""Probabilities are kept this far from 0 and 1 before their log-odds are taken.

The adjusted answer keeps the same share of the ensemble's: steps learned apart may cross, and a
level between two that do would have no probability at all.
"""


class OrdinalParams(BaseModel):
    """What the levels of an ordered target are read from; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    C: PositiveFloat = Field(default=0.3, description="inverse strength of the L2 penalty")
    targets: tuple[str, ...] = Field(
        default=("sentiment",), description="other targets whose probabilities count as evidence"
    )


def above_levels(probabilities: Probabilities) -> Floats:
    """Probability of being above each level but the highest, shape (n, k - 1)."""
    above: Floats = 1 - np.cumsum(probabilities, axis=1)[:, :-1]
    return np.clip(above, 0.0, 1.0)


def levels_from(above: Floats) -> Probabilities:
    """The inverse of `above_levels`; answers that contradict each other are made to fall."""
    falling = np.minimum.accumulate(above, axis=1)
    edge = np.ones((len(above), 1))
    steps: Floats = np.hstack([edge, falling]) - np.hstack([falling, 0 * edge])
    return steps


class OrdinalAdjustment(BaseModel):
    """One logistic regression per step of the scale, over the ensemble's answer and evidence.

    Its inputs are the log-odds of being above each level as the ensemble has them, then the
    evidence features in the order of `evidence`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    evidence: tuple[str, ...] = Field(description="names of the evidence features")
    coefficients: tuple[tuple[float, ...], ...] = Field(
        description="shape (k - 1, k - 1 + n_evidence)"
    )
    intercepts: tuple[float, ...] = Field(description="shape (k - 1,)")

    @model_validator(mode="after")
    def _has_one_shape(self) -> "OrdinalAdjustment":
        steps = len(self.intercepts)
        width = steps + len(self.evidence)
        if len(self.coefficients) != steps or any(len(r) != width for r in self.coefficients):
            raise ValueError(f"coefficients must have shape ({steps}, {width})")
        return self

    def apply(self, probabilities: Probabilities, evidence: Floats) -> Probabilities:
        """Probabilities (n, k) of the levels, with evidence of shape (n, n_evidence) heard."""
        inputs = _inputs(probabilities, evidence)
        scores = inputs @ np.array(self.coefficients).T + np.array(self.intercepts)
        levels = levels_from(1 / (1 + np.exp(-scores)))
        heard: Probabilities = (1 - SMALLEST) * levels + SMALLEST * probabilities
        return heard

    def weights(self) -> dict[str, float]:
        """Evidence -> log-odds that one unit of it adds to being above a level, the steps' mean."""
        means = np.array(self.coefficients).mean(axis=0)[len(self.intercepts) :]
        return dict(zip(self.evidence, means.tolist(), strict=True))


@dataclass(frozen=True)
class Choice:
    """Whether an ensemble is adjusted, and what spoke for it.

    Attributes
    ----------
    adjustment : learned on all rows; None where it did not help
    probabilities : of the rows it was chosen on, by adjustments that have not seen them, or the
        ensemble's own where there is none; shape (n, k)
    gain : by the adjustment, on such rows
    """

    adjustment: OrdinalAdjustment | None
    probabilities: Probabilities
    gain: Gain


def choose_adjustment(
    probabilities: Probabilities,
    evidence: Floats,
    names: Sequence[str],
    truth: NDArray[np.int64],
    folds: NDArray[np.integer],
    c: float,
) -> Choice:
    """Learn an adjustment, and keep it only if rows that it has not seen are answered better.

    It is kept if the log loss it takes off, cross-validated, is more than its standard error.
    Where a level is barely in the text, an adjustment learns noise and costs calibration.

    Parameters
    ----------
    probabilities, evidence, names, truth, c : see `fit_adjustment`
    folds : shape (n,); rows that tell of each other stand in one fold
    """
    heard = cross_fit(probabilities, evidence, names, truth, folds, c)
    gain = paired_gain(probabilities, heard, truth)
    if not gain.counts:
        return Choice(None, probabilities, gain)
    return Choice(fit_adjustment(probabilities, evidence, names, truth, c), heard, gain)


def cross_fit(
    probabilities: Probabilities,
    evidence: Floats,
    names: Sequence[str],
    truth: NDArray[np.int64],
    folds: NDArray[np.integer],
    c: float,
) -> Probabilities:
    """Adjusted probabilities (n, k), each row's by an adjustment learned on the other folds.

    A row stays as it is where there is no other fold.
    """
    heard = probabilities.copy()
    for fold in np.unique(folds):
        asked, known = folds == fold, folds != fold
        if known.any():
            fitted = fit_adjustment(probabilities[known], evidence[known], names, truth[known], c)
            heard[asked] = fitted.apply(probabilities[asked], evidence[asked])
    return heard


def fit_adjustment(
    probabilities: Probabilities,
    evidence: Floats,
    names: Sequence[str],
    truth: NDArray[np.int64],
    c: float,
) -> OrdinalAdjustment:
    """Learn each step on rows whose probabilities come from models that have not seen them.

    Parameters
    ----------
    probabilities : calibrated, shape (n, k), columns from the lowest level to the highest
    evidence : shape (n, len(names))
    truth : level positions of shape (n,)

    Notes
    -----
    A step that no row, or every row, is above has no slope: it answers with its share of rows,
    drawn towards one half by a single row.
    """
    # Only who learns needs it; who serves saves the time and the memory of its import.
    from sklearn.linear_model import LogisticRegression

    inputs = _inputs(probabilities, evidence)
    coefficients, intercepts = [], []
    for level in range(probabilities.shape[1] - 1):
        above = truth > level
        if above.all() or not above.any():
            share = (above.sum() + 0.5) / (len(above) + 1)
            coefficients.append((0.0,) * inputs.shape[1])
            intercepts.append(float(np.log(share / (1 - share))))
            continue
        step = LogisticRegression(C=c, max_iter=1000).fit(inputs, above)
        coefficients.append(tuple(step.coef_[0].round(6).tolist()))
        intercepts.append(round(float(step.intercept_[0]), 6))
    return OrdinalAdjustment(
        evidence=tuple(names), coefficients=tuple(coefficients), intercepts=tuple(intercepts)
    )


def _inputs(probabilities: Probabilities, evidence: Floats) -> Floats:
    above = np.clip(above_levels(probabilities), SMALLEST, 1 - SMALLEST)
    return np.hstack([np.log(above / (1 - above)), evidence])
