"""What is measured: every figure as a function of answers and of how often each row counts.

A bootstrap draw is nothing but a row of counts, so each figure is written once, for a whole matrix
of counts at a time, and its plain value is the case in which every row counts once.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Confidence bins of the calibration error, as in Guo et al. 2017, table 1."""

CERTIFIED = 0.95
"""Accuracy asked of the share counted by `coverage_at_95`."""

FIGURES = (
    "accuracy",
    "macro_f1",
    "ece",
    "certified_automation",
    "automatic_accuracy",
    "coverage_at_95",
)
"""Names of the figures, in the order in which they are told."""

# Rows x draws handled at once: 64 draws of 10,000 rows are 5 MiB of float64 and stay in the cache.
_CHUNK = 64

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Outcomes:
    """The answers of one system to rows of one target, beside the right ones.

    Attributes
    ----------
    labels : class positions of shape (n,), all known
    probabilities : shape (n, k)
    automatic : bool array of shape (n,), what the system would route without a person; None where
        the system holds no routing policy
    """

    labels: Integers
    probabilities: Floats
    automatic: Booleans | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.probabilities):
            raise ValueError(
                f"{len(self.labels)} labels, but probabilities for {len(self.probabilities)} rows"
            )
        if len(self.labels) and self.labels.min() < 0:
            raise ValueError("a row without a label cannot be measured")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def predicted(self) -> Integers:
        """Position of the most probable class, shape (n,)."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @cached_property
    def confidence(self) -> Floats:
        """Probability of the best class, shape (n,)."""
        return np.asarray(self.probabilities.max(axis=1), dtype=np.float64)

    @cached_property
    def correct(self) -> Booleans:
        return np.asarray(self.predicted == self.labels)

    def take(self, rows: Integers | Booleans) -> "Outcomes":
        """The same answers for some of the rows."""
        automatic = None if self.automatic is None else self.automatic[rows]
        return Outcomes(self.labels[rows], self.probabilities[rows], automatic)


def calibration_bins(confidence: Floats, bins: int = BINS) -> Integers:
    """Bin of each confidence: equal width, open on the left, closed on the right."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def expected_calibration_error(correct: Booleans, confidence: Floats, bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy, weighted by bin size.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3, with equal-width bins.

    Parameters
    ----------
    correct : bool array of shape (n,)
    confidence : array of shape (n,), in [0, 1]

    Returns
    -------
    float in [0, 1]; 0 is perfect. Biased upward for small n: a perfectly calibrated model with
    confidences uniform on [0.3, 1] scores 0.079 at n = 200 and 0.025 at n = 2000
    (means of 2,000 draws).

    Raises
    ------
    ValueError
        If the arrays differ in length or are empty.
    """
    if len(correct) != len(confidence) or len(correct) == 0:
        raise ValueError(f"{len(correct)} answers and {len(confidence)} confidences")
    gaps = np.bincount(
        calibration_bins(confidence, bins), weights=correct - confidence, minlength=bins
    )
    return float(np.abs(gaps).sum() / len(correct))


def measure(outcomes: Outcomes, weights: NDArray[np.generic] | None = None) -> dict[str, Floats]:
    """Every figure of `FIGURES` for every row of counts.

    `certified_automation` is the share of rows routed automatically and `automatic_accuracy` the
    share of right answers among those; both are NaN without a routing policy, the second also
    where nothing is automatic. `coverage_at_95` is the largest share of rows, taken in order of
    falling confidence and never between equal confidences, whose measured accuracy is at least
    95 % (El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR
    2010, for the risk-coverage view); 0 where there is none. `macro_f1` is the mean over the
    classes that occur among labels or predictions, as in scikit-learn.

    Parameters
    ----------
    weights : shape (draws, n), how often each row counts; every row once where left out

    Returns
    -------
    Name of the figure -> array of shape (draws,); NaN where a draw holds no row.
    """
    counts = np.ones((1, len(outcomes))) if weights is None else weights
    figures = {name: np.full(len(counts), np.nan) for name in FIGURES}
    if len(outcomes) == 0:
        return figures
    columns = _sums_needed(outcomes)
    order = np.argsort(-outcomes.confidence, kind="stable")
    ends = _ends_of_ties(outcomes.confidence[order])
    for start in range(0, len(counts), _CHUNK):
        part = slice(start, start + _CHUNK)
        chunk = counts[part].astype(np.float64)
        totals = chunk.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            figures["macro_f1"][part] = _macro_f1(chunk, outcomes)
            sums = chunk @ columns
            figures["accuracy"][part] = sums[:, 0] / totals
            figures["ece"][part] = np.abs(sums[:, 3:]).sum(axis=1) / totals
            if outcomes.automatic is not None:
                figures["certified_automation"][part] = sums[:, 1] / totals
                figures["automatic_accuracy"][part] = sums[:, 2] / sums[:, 1]
            figures["coverage_at_95"][part] = _coverage(
                chunk[:, order], outcomes.correct[order], ends
            )
    return figures


def measure_once(outcomes: Outcomes) -> dict[str, float]:
    """Every figure of `FIGURES` on the rows as they are; NaN where it does not exist."""
    return {name: float(values[0]) for name, values in measure(outcomes).items()}


def _sums_needed(outcomes: Outcomes) -> Floats:
    """Columns whose weighted sums give the figures that are ratios of sums: (n, 3 + bins)."""
    columns = np.zeros((len(outcomes), 3 + BINS))
    columns[:, 0] = outcomes.correct
    if outcomes.automatic is not None:
        columns[:, 1] = outcomes.automatic
        columns[:, 2] = outcomes.automatic & outcomes.correct
    rows = np.arange(len(outcomes))
    bins = calibration_bins(outcomes.confidence)
    columns[rows, 3 + bins] = outcomes.correct - outcomes.confidence
    return columns


def _macro_f1(counts: Floats, outcomes: Outcomes) -> Floats:
    k = outcomes.probabilities.shape[1]
    classes = np.arange(k)
    labelled = counts @ (outcomes.labels[:, None] == classes)  # (draws, k)
    predicted = counts @ (outcomes.predicted[:, None] == classes)
    hits = counts @ ((outcomes.labels[:, None] == classes) & outcomes.correct[:, None])
    occurrences = labelled + predicted
    f1 = np.divide(2 * hits, occurrences, out=np.zeros_like(hits), where=occurrences > 0)
    return np.asarray(f1.sum(axis=1) / (occurrences > 0).sum(axis=1), dtype=np.float64)


def _ends_of_ties(falling: Floats) -> Booleans:
    """True where the next confidence differs: only there may a threshold cut."""
    return np.append(falling[1:] != falling[:-1], True)


def _coverage(counts: Floats, correct: Booleans, ends: Booleans) -> Floats:
    """Largest covered share with the accuracy asked for; rows stand in order of confidence."""
    covered = np.cumsum(counts, axis=1)
    right = np.cumsum(counts * correct, axis=1)
    # The tolerance keeps 19 of 20 a success: 0.95 * 20 is 19.0 only up to rounding.
    good = ends & (right >= CERTIFIED * covered - 1e-9) & (covered > 0)
    return np.asarray(np.where(good, covered, 0).max(axis=1) / covered[:, -1], dtype=np.float64)
