"""How much better one arm is than another, told at every moment at once.

Two arms that answer different tickets: `difference_bounds`. Two that answer the same tickets, such
as a shadow beside who is told: `paired_bounds`. Both bet as `evaluation.sequences` does.

For different tickets the stake of an audited ticket is, with k between 0 and 1 and w as there,
w * (right - k - d/2) if the second arm answered it and -w * (right - k + d/2) if the first did. Its
expectation is the true difference less d, times a constant, for every k known before: so it holds
for the difference even where both arms get better or worse together, and k only makes it narrow.
Here k is the mean of what was seen before the row.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.sequences import (
    ALPHA,
    PARTS,
    Bounds,
    Floats,
    Growth,
    Rows,
    as_rows,
    inverse_weights,
    lowest,
    mean_bounds,
    mixed,
)


class Arms(NamedTuple):
    """Audited answers of two arms in the order in which they were judged, each of shape (n,)."""

    right: Floats
    """In [0, 1]."""
    second: NDArray[np.bool_]
    """Whether the second arm answered; else the first did."""
    weights: Floats
    """In (0, 1]."""
    centre: Floats
    """Mean of what was right before, in [0, 1]; rounded, so that rows alike are counted."""

    @property
    def swapped(self) -> Self:
        """The same with the arms exchanged."""
        return self._replace(second=~self.second)


def as_arms(right: ArrayLike, second: ArrayLike, propensities: ArrayLike | None = None) -> Arms:
    """Answers of two arms, drawn with these probabilities: of the arm times that of the audit.

    Raises
    ------
    ValueError
        If a value is not in [0, 1], a probability not in (0, 1], or their numbers differ.
    """
    rows = as_rows(right, propensities)
    whose = np.asarray(second, dtype=np.bool_).ravel()
    if whose.size != rows.values.size:
        raise ValueError(f"{rows.values.size} answers, but {whose.size} arms")
    before = np.cumsum(rows.values) - rows.values
    centre = (before + 0.5) / (np.arange(rows.values.size) + 1)
    return Arms(rows.values, whose, rows.weights, np.round(centre, 2))


def estimated_difference(arms: Arms) -> float:
    """Second minus first by inverse propensities; NaN while one of them has no row."""
    means = [
        np.average(arms.right[one], weights=arms.weights[one]) if one.any() else np.nan
        for one in (arms.second, ~arms.second)
    ]
    return float(means[0] - means[1])


def difference_bounds(arms: Arms, alpha: float = ALPHA) -> Bounds:
    """Interval of second minus first that holds at every moment at once; [-1, 1] without rows."""
    gain, loss = growth_of_difference(arms), growth_of_difference(arms.swapped)
    low = lowest(lambda d: mixed(gain(d)), alpha / 2, (-1.0, 1.0))
    return Bounds(low, -lowest(lambda d: mixed(loss(d)), alpha / 2, (-1.0, 1.0)))


def evidence_of_gain(arms: Arms, difference: float = 0.0) -> Floats:
    """Log evidence after each row that second minus first is above a difference: shape (n,).

    Its exponential is an e-value: if the difference has at every moment been at most this one, it
    ever reaches 1/alpha with probability alpha at most.
    """
    return np.asarray(mixed(np.cumsum(_stakes(arms, difference), axis=0)))


def growth_of_difference(arms: Arms) -> Growth:
    """Fortunes from betting on more than the difference asked about, after all rows."""
    distinct, counts = np.unique(np.column_stack(arms), axis=0, return_counts=True)
    right, second, weights, centre = distinct.T
    few = Arms(right, second.astype(np.bool_), weights, centre)
    return lambda difference: np.asarray(counts @ _stakes(few, difference))


def as_pairs(gains: ArrayLike, propensities: ArrayLike | None = None) -> Rows:
    """Gains in [-1, 1], second minus first on the same ticket, as rows in [0, 1]."""
    known = np.asarray(gains, dtype=np.float64).ravel()
    return Rows((known + 1) / 2, inverse_weights(propensities, known.size))


def paired_bounds(pairs: Rows, alpha: float = ALPHA) -> Bounds:
    """Interval of the mean gain of `as_pairs` that holds at every moment at once."""
    low, high = mean_bounds(pairs, alpha)
    return Bounds(2 * low - 1, 2 * high - 1)


def _stakes(arms: Arms, difference: float) -> Floats:
    """Log growth of each part by each row, betting on more than this difference: (n, parts)."""
    half = difference / 2
    gain = np.where(arms.second, arms.right - arms.centre - half, arms.centre - half - arms.right)
    # More than any row can lose. That it is the same for both arms keeps the evidence falling in d.
    most = np.maximum(np.maximum(arms.centre, 1 - arms.centre) + half, 1e-12)
    won = np.maximum(arms.weights * gain / most, -1)
    return np.log1p(np.multiply.outer(won, PARTS))
