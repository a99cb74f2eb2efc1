"""The interval of the calibration error holds at every moment, and holds what is measured."""

import numpy as np
import pytest

from evaluation.metrics import expected_calibration_error
from evaluation.sequence_calibration import (
    calibration_bounds,
    calibration_error,
    error_evidence,
)
from tests.chances import within

LOOKS = (50, 150, 400, 900)


def draw(random: np.random.Generator, n: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """A confidence of s is right with probability s - gap, so that the error is the gap."""
    confidence = 0.6 + 0.4 * random.beta(4, 1, n)
    return random.random(n) < confidence - gap, confidence


@pytest.mark.parametrize("gap", [0.0, 0.03, 0.15])
def test_the_true_error_is_inside_at_every_look(gap: float) -> None:
    random = np.random.default_rng(31)
    missed = 0
    for _ in range(300):
        right, confidence = draw(random, max(LOOKS), gap)
        evidence = [error_evidence(right[:n], confidence[:n], gap) for n in LOOKS]
        missed += np.max(evidence) >= np.log(2 / 0.05)
    assert within(missed / 300, 0.05, 300)


def test_bounds_end_where_the_evidence_reaches_its_limit() -> None:
    right, confidence = draw(np.random.default_rng(36), 800, 0.1)
    low, high = calibration_bounds(right, confidence, alpha=0.1)
    assert error_evidence(right, confidence, low)[0] == pytest.approx(np.log(20), abs=1e-6)
    assert error_evidence(right, confidence, high)[1] == pytest.approx(np.log(20), abs=1e-6)


def test_an_overconfident_model_is_found_out() -> None:
    right, confidence = draw(np.random.default_rng(32), 2000, 0.1)
    low, high = calibration_bounds(right, confidence)
    assert 0.05 < low < 0.1 < high < 0.16


def test_errors_of_both_signs_do_not_cancel() -> None:
    random = np.random.default_rng(33)
    confidence = random.choice([0.65, 0.95], 3000)
    right = random.random(3000) < 0.8
    low, high = calibration_bounds(right, confidence)
    assert abs(float(np.mean(right - confidence))) < 0.02
    assert 0.1 < low < 0.15 < high < 0.2


def test_the_error_measured_is_inside_and_is_that_of_the_metrics() -> None:
    right, confidence = draw(np.random.default_rng(34), 500, 0.05)
    measured = calibration_error(right, confidence)
    assert measured == pytest.approx(expected_calibration_error(right, confidence))
    low, high = calibration_bounds(right, confidence)
    assert low <= measured <= high


def test_probabilities_of_drawing_count() -> None:
    random = np.random.default_rng(35)
    confidence = np.full(8000, 0.9)
    hard = random.random(8000) < 0.25
    right = random.random(8000) < np.where(hard, 0.6, 1.0)  # 0.9 over all tickets
    propensity = np.where(hard, 0.9, 0.3)
    drawn = random.random(8000) < propensity
    told = right[drawn], confidence[drawn]
    assert calibration_bounds(*told).low > 0.02
    assert calibration_bounds(*told, propensity[drawn]).low == pytest.approx(0, abs=1e-3)


def test_without_rows_everything_is_possible() -> None:
    assert calibration_bounds([], []) == (0, 1)
    assert np.isnan(calibration_error([], []))
