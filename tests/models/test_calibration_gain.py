"""What one way to answer gains on another, and when that counts."""

import numpy as np
import pytest

from models.calibration import log_loss, paired_gain


def test_a_gain_is_the_fall_of_the_log_loss() -> None:
    before = np.array([[0.6, 0.4], [0.5, 0.5], [0.2, 0.8]])
    after = np.array([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9]])
    truth = np.array([0, 1, 1])
    gain = paired_gain(before, after, truth)
    assert gain.mean == pytest.approx(log_loss(before, truth) - log_loss(after, truth))
    falls = np.log([0.9 / 0.6, 0.6 / 0.5, 0.9 / 0.8])
    assert gain.error == pytest.approx(falls.std(ddof=1) / np.sqrt(3))


def test_it_counts_above_its_standard_error() -> None:
    before = np.full((2, 2), 0.5)
    truth = np.array([0, 0])
    steady = np.array([[0.6, 0.4], [0.61, 0.39]])
    uneven = np.array([[0.99, 0.01], [0.4, 0.6]])
    assert paired_gain(before, steady, truth).counts
    assert not paired_gain(before, uneven, truth).counts


def test_nothing_is_gained_without_change_or_rows() -> None:
    same = np.full((4, 2), 0.5)
    none = np.empty((0, 2))
    for answers, truth in ((same, np.zeros(4, np.int64)), (none, np.empty(0, np.int64))):
        gain = paired_gain(answers, answers, truth)
        assert gain == (0.0, 0.0)
        assert not gain.counts
