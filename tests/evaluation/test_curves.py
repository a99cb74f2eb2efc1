"""The tables behind the plots."""

import numpy as np
import pytest

from evaluation.curves import (
    confusion_counts,
    confusion_rows,
    reliability_table,
    risk_coverage_table,
)
from evaluation.metrics import Outcomes, measure_once

OUTCOMES = Outcomes(
    np.array([0, 1, 1, 0]), np.array([[0.95, 0.05], [0.4, 0.6], [0.6, 0.4], [0.9, 0.1]])
)


def test_the_gaps_of_the_bins_sum_to_the_calibration_error() -> None:
    table = reliability_table(OUTCOMES)
    gaps = (table["accuracy"] - table["confidence"]).abs() * table["tickets"]
    assert gaps.sum() / table["tickets"].sum() == pytest.approx(measure_once(OUTCOMES)["ece"])
    assert table["tickets"].sum() == 4


def test_a_bin_holds_the_confidences_between_its_edges() -> None:
    table = reliability_table(OUTCOMES)
    assert (table["low"] < table["confidence"]).all()
    assert (table["confidence"] <= table["high"] + 1e-12).all()


def test_the_curve_ends_with_all_tickets_and_plain_accuracy() -> None:
    last = risk_coverage_table(OUTCOMES).iloc[-1]
    assert (last["coverage"], last["accuracy"]) == (1.0, 0.75)


def test_equal_confidences_are_one_point_of_the_curve() -> None:
    # 0.95, 0.9 and twice 0.6: three thresholds are possible.
    assert risk_coverage_table(OUTCOMES)["threshold"].tolist() == [0.95, 0.9, 0.6]


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    confidence = np.linspace(0.51, 0.99, 1000)
    outcomes = Outcomes(np.zeros(1000, np.int64), np.column_stack([confidence, 1 - confidence]))
    table = risk_coverage_table(outcomes, points=50)
    assert len(table) == 50
    assert table["coverage"].iloc[[0, -1]].tolist() == [0.001, 1.0]


def test_confusion_counts_given_labels_in_rows() -> None:
    np.testing.assert_array_equal(confusion_counts(OUTCOMES), [[2, 0], [1, 1]])


def test_confusion_rows_name_both_labels_of_a_ticket() -> None:
    table = confusion_rows(OUTCOMES, ("bug", "wish"))
    assert table.iloc[2].to_dict() == {"actual": "wish", "predicted": "bug"}
