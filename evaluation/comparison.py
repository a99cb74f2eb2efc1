"""Whether one system is better than another on the same tickets, or only looks it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from evaluation.intervals import Counts, percentile_interval
from evaluation.metrics import Booleans, Outcomes, measure, measure_once


@dataclass(frozen=True)
class Difference:
    """First minus second, with a paired 95 % interval; real when the interval leaves out 0."""

    metric: str
    difference: float
    low: float
    high: float

    @property
    def real(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class McNemar:
    """Tickets that only one of two systems gets right, and how surprising their split is."""

    only_first: int
    only_second: int
    p_value: float


def paired_bootstrap(
    first: Outcomes, second: Outcomes, counts: Counts, metric: str = "accuracy"
) -> Difference:
    """Difference of a figure between two systems, resampling the tickets of both together.

    Raises
    ------
    ValueError
        If the systems did not answer the same rows.
    """
    _check_same_rows(first, second)
    draws = measure(first, counts)[metric] - measure(second, counts)[metric]
    low, high = percentile_interval(draws) or (float("nan"), float("nan"))
    difference = measure_once(first)[metric] - measure_once(second)[metric]
    return Difference(metric, difference, low, high)


def mcnemar(first: Booleans, second: Booleans) -> McNemar:
    """Exact two-sided McNemar test on which answers are right.

    McNemar, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 1947; exact by the binomial distribution, so small counts need no correction.

    Parameters
    ----------
    first, second : bool arrays of shape (n,), whether each system is right

    Returns
    -------
    McNemar; its p-value treats near-duplicates as independent, `paired_bootstrap` does not.
    """
    only_first = int(np.sum(first & ~second))
    only_second = int(np.sum(second & ~first))
    n = only_first + only_second
    p_value = float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0
    return McNemar(only_first, only_second, p_value)


def compare(first: Outcomes, second: Outcomes, counts: Counts) -> dict[str, Any]:
    """Accuracy and macro F1 of first minus second and McNemar's test, ready for JSON."""
    return {
        "accuracy": asdict(paired_bootstrap(first, second, counts, "accuracy")),
        "macro_f1": asdict(paired_bootstrap(first, second, counts, "macro_f1")),
        "mcnemar": asdict(mcnemar(first.correct, second.correct)),
    }


def _check_same_rows(first: Outcomes, second: Outcomes) -> None:
    if len(first) != len(second) or np.any(first.labels != second.labels):
        raise ValueError("two systems can be compared only on the same tickets, in the same order")
