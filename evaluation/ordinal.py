"""Figures of a target whose classes stand in order: how far off, not only how often."""

import numpy as np

from evaluation.intervals import Counts, Figures, percentile_interval
from evaluation.metrics import Floats, Outcomes

LEVEL_FIGURES = ("level_error", "quadratic_kappa")
"""Names of the figures, in the order in which they are told."""


def measure_levels(outcomes: Outcomes, counts: Counts) -> Figures:
    """`level_error` and `quadratic_kappa` of the most probable level, with 95 % intervals.

    `level_error` is the mean absolute distance in levels; 0 is perfect. `quadratic_kappa` is
    Cohen, "Weighted kappa: nominal scale agreement with provision for scaled disagreement or
    partial credit", Psychological Bulletin 1968, with squared distances: 1 is perfect, 0 what the
    same answers dealt at random would get; None where all rows and answers are of one level.

    Parameters
    ----------
    counts : bootstrap counts of shape (draws, n)
    """
    figures: Figures = {}
    plain = np.ones((1, len(outcomes)))
    for name, measure in (("level_error", _level_error), ("quadratic_kappa", _quadratic_kappa)):
        value = float(measure(outcomes, plain)[0])
        if np.isnan(value):
            figures[name], figures[f"{name}_ci"] = None, None
            continue
        draws = measure(outcomes, counts.astype(np.float64))
        figures[name], figures[f"{name}_ci"] = value, percentile_interval(draws)
    return figures


def _level_error(outcomes: Outcomes, counts: Floats) -> Floats:
    distance = np.abs(outcomes.predicted - outcomes.labels).astype(np.float64)
    with np.errstate(invalid="ignore"):
        error: Floats = counts @ distance / counts.sum(axis=1)
    return error


def _quadratic_kappa(outcomes: Outcomes, counts: Floats) -> Floats:
    levels = outcomes.probabilities.shape[1]
    cell = outcomes.labels * levels + outcomes.predicted
    # One column per cell of the confusion matrix: a draw's matrix is then a product.
    inside = (cell[:, None] == np.arange(levels**2)[None, :]).astype(np.float64)
    confusion = (counts @ inside).reshape(-1, levels, levels)
    position = np.arange(levels)
    penalty = (position[:, None] - position[None, :]) ** 2.0
    total = confusion.sum(axis=(1, 2))
    actual, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    expected = np.einsum("di,dj,ij->d", actual, predicted, penalty)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa: Floats = 1 - (confusion * penalty).sum(axis=(1, 2)) * total / expected
    return kappa
