"""The calibration error with an interval that holds at every moment at once.

The error of Guo et al. 2017 over fixed bins is the largest mean of s * (right - confidence) over
all ways to give each bin a sign s. If it is at most m, then so is each of these means, and the
fortune of betting against all signs at once, each with its share, is expected to grow by nothing.
If it is at least m, then one of the means is, and no fortune is smaller than the one of the signs
that did worst. Both sums run over the signs of each bin apart, and bins without rows cost nothing.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from evaluation.metrics import BINS, Integers, calibration_bins
from evaluation.sequences import ALPHA, PARTS, Bounds, Floats, inverse_weights, lowest, mixed


def calibration_bounds(
    right: ArrayLike,
    confidence: ArrayLike,
    propensities: ArrayLike | None = None,
    alpha: float = ALPHA,
    bins: int = BINS,
) -> Bounds:
    """Interval of the expected calibration error over equal-width bins, [0, 1] without rows.

    It always holds the error measured, which is biased upward; the truth lies in the lower part.

    Parameters
    ----------
    right : shape (n,), 0 or 1
    confidence : shape (n,), in [0, 1]
    propensities : shape (n,), probabilities by which the rows were drawn; equal where left out
    """
    rows = _Binned.of(right, confidence, propensities, bins)
    if not rows.gaps.size:
        return Bounds(0.0, 1.0)
    low = lowest(lambda error: rows.evidence(error)[0], alpha / 2)
    return Bounds(low, 1 - lowest(lambda distance: rows.evidence(1 - distance)[1], alpha / 2))


def error_evidence(
    right: ArrayLike, confidence: ArrayLike, error: float, bins: int = BINS
) -> tuple[float, float]:
    """Log evidence that the calibration error is above, and that it is below this one."""
    return _Binned.of(right, confidence, None, bins).evidence(error)


def calibration_error(
    right: ArrayLike, confidence: ArrayLike, propensities: ArrayLike | None = None, bins: int = BINS
) -> float:
    """The error measured, by inverse propensities; NaN without rows."""
    known = np.asarray(confidence, dtype=np.float64).ravel()
    gaps = np.asarray(right, dtype=np.float64).ravel() - known
    weights = inverse_weights(propensities, gaps.size)
    if not gaps.size:
        return float("nan")
    sums = np.bincount(calibration_bins(known, bins), weights=weights * gaps, minlength=bins)
    return float(np.abs(sums).sum() / weights.sum())


class _Binned(NamedTuple):
    """Gaps and weights of shape (n,) by bin, and where the bins that have rows start."""

    gaps: Floats
    weights: Floats
    starts: Integers

    @classmethod
    def of(
        cls, right: ArrayLike, confidence: ArrayLike, propensities: ArrayLike | None, bins: int
    ) -> Self:
        known = np.asarray(confidence, dtype=np.float64).ravel()
        gaps = np.asarray(right, dtype=np.float64).ravel() - known
        weights = inverse_weights(propensities, gaps.size)
        places = calibration_bins(known, bins)
        order = np.argsort(places, kind="stable")
        starts = np.flatnonzero(np.diff(places[order], prepend=-1))
        return cls(gaps[order], weights[order], starts)

    def evidence(self, error: float) -> tuple[float, float]:
        """Log evidence that the error is above, and that it is below this one."""
        both = np.logaddexp(*self._grown(error, 1)).sum(axis=0) - np.log(2) * len(self.starts)
        least = np.minimum(*self._grown(error, -1)).sum(axis=0)
        return float(mixed(both)), float(mixed(least))

    def _grown(self, error: float, side: int) -> tuple[Floats, Floats]:
        """Log fortunes per bin and part, (bins, parts), for either sign of the bins.

        `side` is 1 to bet on more than this error and -1 to bet on less.
        """
        most = 1 + side * error  # more than a row can lose
        grown = []
        for sign in (1, -1):
            won = self.weights * side * (sign * self.gaps - error) / max(most, 1e-12)
            logs = np.log1p(np.multiply.outer(np.maximum(won, -1), PARTS))
            grown.append(np.add.reduceat(logs, self.starts, axis=0))
        return grown[0], grown[1]
