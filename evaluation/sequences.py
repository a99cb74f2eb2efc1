"""Intervals that hold at every moment at once: look as often as you like, and stop when you like.

An ordinary interval keeps its promise for one look at a number of rows fixed before. These keep it
for all looks together (confidence sequences): the truth is inside at every moment, with probability
at least 1 - alpha. The price is the width, which tests compare with Clopper and Pearson's.

The construction is betting: Waudby-Smith and Ramdas, "Estimating means of bounded random variables
by betting", JRSS-B 2024 (arXiv 2010.09686). Whoever bets a fixed part of a fortune on "the mean is
above m" cannot expect to win while it is not, so a fortune grown to 1/alpha refutes m (Ville's
inequality). Here several parts are bet side by side and the fortunes added up (their "diversified
Kelly" bets, the parts spread evenly in logarithms); each end of the interval has half of alpha. A
sum of constant bets does not ask in which order the rows came, so that late answers change nothing.

Rows drawn with unequal known probabilities: a ticket drawn with probability p adds the stake
w * (x - m) with w = smallest p / p, and one that was not drawn adds nothing, so that the expected
stake is the true mean less m, times a constant, whatever was drawn. This is inverse-propensity
weighting centred at the mean asked about, cf. Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro,
"Anytime-valid off-policy inference for contextual bandits", ACM/IMS Journal of Data Science 2024.
The probability may differ from ticket to ticket and with what the ticket says; it must be fixed
before anybody looked at the ticket, and the smallest one must not follow from what was right.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALPHA = 0.05
"""Probability that the truth is ever outside."""

PARTS: NDArray[np.float64] = np.geomspace(0.003, 0.97, 16)
"""Parts of the fortune that are bet, of the most that cannot ruin it.

Neighbours differ by a factor of 1.47, so that the best bet is missed by 1.21 at most, and what is
earned on small differences, 2r - r^2 of the most at r times the best bet, is 0.95 of it. Adding 16
up costs log(16) = 2.8 of evidence at most.
"""

Floats = NDArray[np.float64]

Growth = Callable[[float], Floats]
"""From the value asked about to log fortunes, shape (parts,), that bet on more than it."""

_STEPS = 44  # halvings of [0, 1]: 6e-14
_FAR = 100


class Bounds(NamedTuple):
    """Ends of an interval."""

    low: float
    high: float


class Rows(NamedTuple):
    """Values in [0, 1] and their weights in (0, 1], both of shape (n,)."""

    values: Floats
    weights: Floats


def as_rows(values: ArrayLike, propensities: ArrayLike | None = None) -> Rows:
    """Values with weights by the probabilities they were drawn with, equal where none are given.

    Raises
    ------
    ValueError
        If a value is not in [0, 1], a probability not in (0, 1], or their numbers differ.
    """
    known = np.asarray(values, dtype=np.float64).ravel()
    if known.size and not (known.min() >= 0 and known.max() <= 1):
        raise ValueError(f"values lie in [0, 1], not in [{known.min():g}, {known.max():g}]")
    return Rows(known, inverse_weights(propensities, known.size))


def inverse_weights(propensities: ArrayLike | None, n: int) -> Floats:
    """Smallest probability over each one's own: shape (n,), in (0, 1].

    Raises
    ------
    ValueError
        If a probability is not in (0, 1], or there are not n.
    """
    if propensities is None:
        return np.ones(n)
    drawn = np.asarray(propensities, dtype=np.float64).ravel()
    if drawn.size != n:
        raise ValueError(f"{n} values, but {drawn.size} probabilities of drawing them")
    if n and not (drawn.min() > 0 and drawn.max() <= 1):
        raise ValueError(f"probabilities lie in (0, 1], not in [{drawn.min():g}, {drawn.max():g}]")
    return drawn.min() / drawn if n else drawn


def weighted_mean(rows: Rows) -> float:
    """Estimate of the mean by inverse propensities, NaN without rows; always inside the bounds."""
    if not rows.values.size:
        return float("nan")
    return float(np.average(rows.values, weights=rows.weights))


def mean_bounds(rows: Rows, alpha: float = ALPHA) -> Bounds:
    """Interval of a mean that holds at every moment at once; [0, 1] without rows.

    Parameters
    ----------
    rows : what is known now
    alpha : probability, in (0, 1), that the mean is ever outside
    """
    above, below = growth_of_mean(rows), growth_of_mean(rows._replace(values=1 - rows.values))
    low = lowest(lambda m: mixed(above(m)), alpha / 2)
    return Bounds(low, 1 - lowest(lambda m: mixed(below(m)), alpha / 2))


def growth_of_mean(rows: Rows) -> Growth:
    """Fortunes from betting on a mean above the one asked about, after all rows."""
    pairs, counts = np.unique(np.column_stack(rows), axis=0, return_counts=True)
    values, weights = pairs.T
    return lambda mean: np.asarray(counts @ _stakes(values, weights, mean))


def evidence_below(rows: Rows, mean: float) -> Floats:
    """Log evidence after each row that the mean is below a bound it was promised to reach.

    Its exponential is an e-value: if the mean has at every moment been at least this high, however
    it changed, it ever reaches 1/alpha with probability alpha at most.

    Returns
    -------
    Shape (n,); element t is of rows 0..t.
    """
    grown = np.cumsum(_stakes(1 - rows.values, rows.weights, 1 - mean), axis=0)
    return np.asarray(mixed(grown))


def evidence_above(rows: Rows, mean: float) -> Floats:
    """Log evidence after each row that the mean is above this; the mirror of `evidence_below`."""
    return np.asarray(mixed(np.cumsum(_stakes(rows.values, rows.weights, mean), axis=0)))


def rows_needed(grown: Floats, n: int, alpha: float) -> int | None:
    """How many rows like the n seen let the fortunes refute; None where they cannot tell.

    They cannot if the fortunes do not grow, or only refute after a hundred times as many rows.

    Parameters
    ----------
    grown : shape (parts,), log fortunes after the n rows
    alpha : of this one side
    """
    if n == 0 or grown.max() <= 0:
        return None
    needed = np.log(1 / alpha)
    times = Bounds(0.0, (needed + np.log(len(grown))) / grown.max())
    for _ in range(_STEPS):
        middle = (times.low + times.high) / 2
        enough = mixed(middle * grown) >= needed
        times = Bounds(times.low, middle) if enough else Bounds(middle, times.high)
    if times.high > _FAR:
        return None
    return int(np.ceil(times.high * n))


def mixed(log_fortunes: Floats) -> Floats:
    """Log of the mean of the fortunes: over the last axis, (..., parts) to (...)."""
    top = log_fortunes.max(axis=-1)
    spread = np.exp(log_fortunes - np.expand_dims(top, -1)).mean(axis=-1)
    return np.asarray(top + np.log(spread))


def lowest(
    evidence: Callable[[float], ArrayLike], alpha: float, between: Sequence[float] = (0.0, 1.0)
) -> float:
    """Lowest value that is not refuted, by evidence that falls as the value grows."""
    low, high = between
    for _ in range(_STEPS):
        middle = (low + high) / 2
        refuted = np.asarray(evidence(middle)) >= np.log(1 / alpha)
        low, high = (middle, high) if refuted else (low, middle)
    return low


def _stakes(values: Floats, weights: Floats, mean: float) -> Floats:
    """Log growth of each part by each row, betting on a mean above this one: (n, parts)."""
    won = weights * (values / max(mean, 1e-300) - 1)  # at least -1
    return np.log1p(np.multiply.outer(won, PARTS))
