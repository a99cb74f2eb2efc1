"""How sure a figure is: 95 % bootstrap intervals that respect groups of near-duplicates."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from evaluation.metrics import FIGURES, Floats, Outcomes, measure, measure_once

LEVEL = 0.95

Counts = NDArray[np.uint16]
"""Shape (draws, n): how often each row was drawn."""

Figures = dict[str, float | list[float] | None]
"""`name` -> value and `name_ci` -> [low, high]; None where a figure does not exist."""


def draw_counts(groups: Sequence[str], draws: int, seed: int) -> Counts:
    """Bootstrap counts in which the tickets of one group are drawn together or not at all.

    Near-duplicates are one observation seen several times; drawing rows would make the intervals
    too narrow. Where every ticket is its own group this is the plain bootstrap (Efron and
    Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 8 for the clustered one).

    Returns
    -------
    Shape (draws, n); each row is one resample of the groups with replacement. The same counts
    serve every system measured, so that differences between systems are paired.

    Raises
    ------
    ValueError
        If there is no draw to make.
    """
    if draws < 1:
        raise ValueError(f"{draws} draws; at least 1 is needed")
    generator = np.random.default_rng(seed)
    _, member_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    size = int(member_of.max()) + 1 if len(member_of) else 0
    counts = np.zeros((draws, len(member_of)), dtype=np.uint16)
    if size:
        for draw in counts:
            drawn = generator.integers(0, size, size)
            draw[:] = np.bincount(drawn, minlength=size)[member_of]
    return counts


def percentile_interval(draws: Floats, level: float = LEVEL) -> list[float] | None:
    """Percentile interval [low, high] of the draws that exist, None where none does."""
    known = draws[~np.isnan(draws)]
    if len(known) == 0:
        return None
    tail = 50 * (1 - level)
    low, high = np.percentile(known, [tail, 100 - tail])
    return [float(low), float(high)]


def error_interval(draws: Floats, value: float, level: float = LEVEL) -> list[float] | None:
    """Interval [low, high] of a calibration error, which a percentile interval misses.

    A resample of a calibrated model is less calibrated than the model: the draws lie above the
    value measured, and the value above the truth. The interval is the hull of the basic interval
    (the draws mirrored at the value) and of the percentile interval moved by the bias seen, cut at
    0. In 120 simulations with a true error of 0.02 it held the truth in 0.89 (500 rows) and 0.95
    (4,000 rows) of them, the percentile interval in 0.01 and 0.85. With no error at all it reaches
    down to 0 in only 0.6 of them: a value this small is a lower limit of what can be seen.
    """
    plain = percentile_interval(draws, level)
    if plain is None:
        return None
    low, high = plain
    bias = float(np.nanmean(draws)) - value
    return [
        max(0.0, min(2 * value - high, low - bias, value)),
        max(2 * value - low, high - bias, value),
    ]


def exact_interval(successes: int, n: int, level: float = LEVEL) -> list[float]:
    """Clopper-Pearson interval [low, high] of a share; [0, 1] where n is 0.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 1934.
    """
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, successes, n - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, n - successes)) if successes < n else 1.0
    return [low, high]


def measure_with_intervals(outcomes: Outcomes, counts: Counts) -> Figures:
    """Every figure of `FIGURES` with its interval, ready for JSON."""
    values = measure_once(outcomes)
    return with_intervals(values, measure(outcomes, counts))


def with_intervals(values: Mapping[str, float], draws: Mapping[str, Floats]) -> Figures:
    """Values and their draws as figures, ready for JSON."""
    figures: Figures = {}
    for name in FIGURES:
        value = values[name]
        if np.isnan(value):
            figures[name], figures[f"{name}_ci"] = None, None
            continue
        figures[name] = value
        figures[f"{name}_ci"] = (
            error_interval(draws[name], value)
            if name == "ece"
            else percentile_interval(draws[name])
        )
    return figures
