"""Levels in order: what is learned about one step of the scale serves the others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from models.ordinal import (
    OrdinalAdjustment,
    above_levels,
    choose_adjustment,
    cross_fit,
    fit_adjustment,
    levels_from,
)


@given(arrays(np.float64, (5, 4), elements=st.floats(0.01, 1)))
def test_levels_come_back_from_the_questions_about_them(raw):
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(levels_from(above_levels(probabilities)), probabilities, atol=1e-12)


@given(arrays(np.float64, (6, 3), elements=st.floats(0, 1)))
def test_contradicting_answers_still_give_distributions(above):
    levels = levels_from(above)
    assert (levels >= 0).all()
    np.testing.assert_allclose(levels.sum(axis=1), 1)


def tickets(n: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vague answers about three levels, and evidence that only the truth brings about."""
    random = np.random.default_rng(3)
    truth = random.integers(0, 3, n)
    vague = np.full((n, 3), 0.3) + 0.1 * np.eye(3)[truth]
    evidence = (random.random((n, 1)) < 0.1 + 0.4 * truth[:, None]).astype(float)
    return vague / vague.sum(axis=1, keepdims=True), evidence, truth


def test_evidence_moves_the_answer_towards_its_level():
    probabilities, evidence, truth = tickets()
    fitted = fit_adjustment(probabilities, evidence, ["outage"], truth, 1.0)
    same = np.full((2, 3), 1 / 3)
    calm, alarmed = fitted.apply(same, np.array([[0.0], [1.0]]))
    assert fitted.weights()["outage"] > 0
    assert alarmed @ np.arange(3) > calm @ np.arange(3)


def test_the_adjusted_answers_are_surer_of_the_truth():
    probabilities, evidence, truth = tickets()
    half = len(truth) // 2
    fitted = fit_adjustment(probabilities[:half], evidence[:half], ["outage"], truth[:half], 1.0)
    after = fitted.apply(probabilities[half:], evidence[half:])
    rows = np.arange(half), truth[half:]
    assert np.log(after[rows]).mean() > np.log(probabilities[half:][rows]).mean()


def test_a_level_that_never_occurs_keeps_a_small_probability():
    probabilities, evidence, truth = tickets()
    lower = truth < 2
    fitted = fit_adjustment(probabilities[lower], evidence[lower], ["outage"], truth[lower], 1.0)
    top = fitted.apply(probabilities, evidence)[:, 2]
    assert (top > 0).all()
    assert top.max() < 0.01


def test_coefficients_of_another_shape_are_refused():
    with pytest.raises(ValidationError, match=r"shape \(2, 3\)"):
        OrdinalAdjustment(
            evidence=("outage",), coefficients=((1.0, 0.0), (0.0, 1.0)), intercepts=(0.0, 0.0)
        )


def test_steps_that_cross_leave_every_level_a_probability():
    crossing = OrdinalAdjustment(
        evidence=(), coefficients=((0.0, 0.0), (0.0, 0.0)), intercepts=(-2.0, 2.0)
    )
    heard = crossing.apply(np.full((1, 3), 1 / 3), np.zeros((1, 0)))
    assert heard.min() > 0
    np.testing.assert_allclose(heard.sum(axis=1), 1)


def test_an_adjustment_that_helps_is_kept():
    probabilities, evidence, truth = tickets()
    folds = np.arange(len(truth)) % 3
    choice = choose_adjustment(probabilities, evidence, ["outage"], truth, folds, 1.0)
    assert choice.adjustment == fit_adjustment(probabilities, evidence, ["outage"], truth, 1.0)
    assert choice.gain.counts
    assert choice.gain.error > 0
    rows = np.arange(len(truth)), truth
    gained = np.log(choice.probabilities[rows]).mean() - np.log(probabilities[rows]).mean()
    assert gained == pytest.approx(choice.gain.mean)


def test_evidence_that_tells_nothing_leaves_the_answers_alone():
    random = np.random.default_rng(8)
    shares = np.array([0.1, 0.8, 0.1])
    truth = random.choice(3, 400, p=shares)
    probabilities, noise = np.tile(shares, (400, 1)), random.random((400, 12))
    names = [f"noise {i}" for i in range(12)]
    choice = choose_adjustment(probabilities, noise, names, truth, np.arange(400) % 4, 1.0)
    assert choice.adjustment is None
    assert not choice.gain.counts
    np.testing.assert_array_equal(choice.probabilities, probabilities)


def test_a_row_is_adjusted_by_what_other_folds_taught():
    probabilities, evidence, truth = tickets(90)
    folds = np.arange(90) % 2
    heard = cross_fit(probabilities, evidence, ["outage"], truth, folds, 1.0)
    other = fit_adjustment(
        probabilities[folds == 1], evidence[folds == 1], ["outage"], truth[folds == 1], 1.0
    )
    np.testing.assert_array_equal(
        heard[folds == 0], other.apply(probabilities[folds == 0], evidence[folds == 0])
    )


def test_rows_of_a_single_fold_stay_as_they_are():
    probabilities, evidence, truth = tickets(30)
    choice = choose_adjustment(probabilities, evidence, ["outage"], truth, np.zeros(30, int), 1.0)
    assert choice.adjustment is None
    assert choice.gain.mean == 0
