"""Distances between levels count, and the figures agree with scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from evaluation.intervals import draw_counts
from evaluation.metrics import Outcomes
from evaluation.ordinal import measure_levels


def outcomes(truth: list[int], said: list[int], levels: int = 4) -> Outcomes:
    return Outcomes(np.array(truth), np.eye(levels)[said])


def once(found: Outcomes) -> np.ndarray:
    return draw_counts([str(i) for i in range(len(found))], 50, 0)


def test_the_figures_are_those_of_the_definitions():
    random = np.random.default_rng(0)
    truth, said = random.integers(0, 4, 300), random.integers(0, 4, 300)
    found = outcomes(truth.tolist(), said.tolist())
    figures = measure_levels(found, once(found))
    assert figures["level_error"] == pytest.approx(np.abs(truth - said).mean())
    assert figures["quadratic_kappa"] == pytest.approx(
        cohen_kappa_score(truth, said, weights="quadratic")
    )


def test_intervals_hold_the_value():
    found = outcomes([0, 1, 2, 3] * 30, [0, 1, 1, 3] * 30)
    figures = measure_levels(found, once(found))
    for name in ("level_error", "quadratic_kappa"):
        low, high = figures[f"{name}_ci"]
        assert low <= figures[name] <= high


def test_an_error_of_three_levels_weighs_more_than_three_of_one():
    near = outcomes([0, 1, 2, 3, 0, 3], [1, 2, 3, 3, 0, 3])
    far = outcomes([0, 1, 2, 3, 0, 3], [3, 1, 2, 3, 0, 3])
    near_figures, far_figures = measure_levels(near, once(near)), measure_levels(far, once(far))
    assert near_figures["level_error"] == far_figures["level_error"]
    assert near_figures["quadratic_kappa"] > far_figures["quadratic_kappa"]


def test_one_level_has_no_kappa():
    found = outcomes([1, 1], [1, 1])
    assert measure_levels(found, once(found))["quadratic_kappa"] is None
