"""Calibration, risk against coverage, confusion: the tables behind the plots."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.metrics import BINS, Integers, Outcomes, calibration_bins


def reliability_table(outcomes: Outcomes, bins: int = BINS) -> pd.DataFrame:
    """One row per confidence bin that holds a ticket.

    Columns `low`, `high` (edges of the bin), `confidence` (mean), `accuracy`, `tickets`.
    """
    where = calibration_bins(outcomes.confidence, bins)
    tickets = np.bincount(where, minlength=bins)
    held = tickets > 0
    confidence = np.bincount(where, weights=outcomes.confidence, minlength=bins)[held]
    accuracy = np.bincount(where, weights=outcomes.correct.astype(float), minlength=bins)[held]
    edges = np.arange(bins + 1) / bins
    return pd.DataFrame(
        {
            "low": edges[:-1][held],
            "high": edges[1:][held],
            "confidence": confidence / tickets[held],
            "accuracy": accuracy / tickets[held],
            "tickets": tickets[held],
        }
    )


def risk_coverage_table(outcomes: Outcomes, points: int = 200) -> pd.DataFrame:
    """Accuracy of the most confident share, for growing shares, thinned to `points` rows.

    Columns `coverage`, `accuracy`, `threshold` (the lowest confidence within the share).
    """
    order = np.argsort(-outcomes.confidence, kind="stable")
    confidence = outcomes.confidence[order]
    covered = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(outcomes.correct[order]) / covered
    # A threshold cannot cut between equal confidences.
    ends = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
    if len(ends) > points:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, points).round().astype(int))]
    return pd.DataFrame(
        {
            "coverage": covered[ends] / len(order),
            "accuracy": accuracy[ends],
            "threshold": confidence[ends],
        }
    )


def confusion_counts(outcomes: Outcomes) -> Integers:
    """Shape (k, k): rows are the given labels, columns the answers."""
    k = outcomes.probabilities.shape[1]
    flat = np.bincount(outcomes.labels * k + outcomes.predicted, minlength=k * k)
    return flat.reshape(k, k).astype(np.int64)


def confusion_rows(outcomes: Outcomes, classes: Sequence[str]) -> pd.DataFrame:
    """Columns `actual`, `predicted`, one row per ticket: what DVC's `confusion` template reads."""
    names = np.asarray(classes, dtype=object)
    return pd.DataFrame({"actual": names[outcomes.labels], "predicted": names[outcomes.predicted]})
