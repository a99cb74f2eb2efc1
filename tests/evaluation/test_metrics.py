"""Every figure, against values worked out by hand or by scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from evaluation.metrics import (
    FIGURES,
    Outcomes,
    expected_calibration_error,
    measure,
    measure_once,
)


def random_outcomes(n: int, k: int, seed: int, rounded: int = 2) -> Outcomes:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(k), n).round(rounded)
    return Outcomes(generator.integers(0, k, n), probabilities, generator.random(n) < 0.6)


@pytest.mark.parametrize(("n", "expected"), [(200, 0.079), (2000, 0.025)])
def test_a_calibrated_model_scores_what_the_docstring_says(n: int, expected: float) -> None:
    generator = np.random.default_rng(7)
    errors = []
    for _ in range(200):
        confidence = generator.uniform(0.3, 1, n)
        errors.append(expected_calibration_error(generator.random(n) < confidence, confidence))
    assert np.mean(errors) == pytest.approx(expected, abs=0.003)


def test_calibration_error_is_the_weighted_gap_of_bins() -> None:
    # Two bins: 0.9 sure and right once of two (gap 0.4), 0.5 sure and right twice of two (gap 0.5).
    correct = np.array([True, False, True, True])
    confidence = np.array([0.9, 0.9, 0.5, 0.5])
    assert expected_calibration_error(correct, confidence) == pytest.approx(0.45)


def test_confidences_on_an_edge_belong_to_the_bin_below() -> None:
    # With 2 bins, 0.5 joins 0.2: gaps +0.5 and -0.2 meet in one bin instead of adding up.
    error = expected_calibration_error(np.array([True, False]), np.array([0.5, 0.2]), bins=2)
    assert error == pytest.approx(0.15)


@pytest.mark.parametrize("n", [0, 3])
def test_calibration_error_refuses_empty_and_unequal_arrays(n: int) -> None:
    with pytest.raises(ValueError, match=rf"{n} answers and 0 confidences"):
        expected_calibration_error(np.zeros(n, dtype=bool), np.zeros(0))


@pytest.mark.parametrize("k", [2, 5, 40])
def test_accuracy_macro_f1_and_ece_agree_with_their_definitions(k: int) -> None:
    outcomes = random_outcomes(120, k, seed=k)
    figures = measure_once(outcomes)
    assert figures["accuracy"] == pytest.approx(outcomes.correct.mean())
    assert figures["macro_f1"] == pytest.approx(
        f1_score(outcomes.labels, outcomes.predicted, average="macro")
    )
    assert figures["ece"] == pytest.approx(
        expected_calibration_error(outcomes.correct, outcomes.confidence)
    )


def test_automation_counts_what_the_policy_routes() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    automatic = np.array([True, True, True, False])
    figures = measure_once(Outcomes(np.array([0, 0, 1, 1]), probabilities, automatic))
    assert figures["certified_automation"] == pytest.approx(3 / 4)
    assert figures["automatic_accuracy"] == pytest.approx(2 / 3)


def test_without_a_policy_nothing_is_said_about_automation() -> None:
    figures = measure_once(Outcomes(np.array([0]), np.array([[0.9, 0.1]])))
    assert np.isnan(figures["certified_automation"])
    assert np.isnan(figures["automatic_accuracy"])


def test_accuracy_of_nothing_automatic_does_not_exist() -> None:
    outcomes = Outcomes(np.array([0]), np.array([[0.9, 0.1]]), np.array([False]))
    figures = measure_once(outcomes)
    assert figures["certified_automation"] == 0
    assert np.isnan(figures["automatic_accuracy"])


def test_nineteen_of_twenty_right_cover_everything() -> None:
    confidence = np.linspace(0.99, 0.6, 20)
    labels = np.zeros(20, dtype=np.int64)
    labels[0] = 1
    outcomes = Outcomes(labels, np.column_stack([confidence, 1 - confidence]))
    assert measure_once(outcomes)["coverage_at_95"] == 1.0


def test_coverage_ends_where_accuracy_falls_below_95_percent() -> None:
    # Right, right, wrong, right: only the first two of four stand at 95 % or more.
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    outcomes = Outcomes(np.array([0, 0, 1, 0]), np.column_stack([confidence, 1 - confidence]))
    assert measure_once(outcomes)["coverage_at_95"] == 0.5


def test_coverage_never_cuts_between_equal_confidences() -> None:
    confidence = np.array([0.9, 0.9, 0.6])
    outcomes = Outcomes(np.array([0, 1, 0]), np.column_stack([confidence, 1 - confidence]))
    assert measure_once(outcomes)["coverage_at_95"] == 0.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), k=st.integers(2, 5))
def test_a_count_of_two_is_the_same_row_twice(seed: int, n: int, k: int) -> None:
    outcomes = random_outcomes(n, k, seed, rounded=1)
    counts = np.random.default_rng(seed).integers(0, 3, (1, n))
    counts[0, 0] = 1
    weighted = {name: values[0] for name, values in measure(outcomes, counts).items()}
    repeated = measure_once(outcomes.take(np.repeat(np.arange(n), counts[0])))
    for name in FIGURES:
        assert weighted[name] == pytest.approx(repeated[name], nan_ok=True), name


def test_more_draws_than_a_chunk_are_all_measured() -> None:
    outcomes = random_outcomes(10, 3, seed=1)
    accuracy = measure(outcomes, np.ones((150, 10)))["accuracy"]
    np.testing.assert_allclose(accuracy, outcomes.correct.mean())


def test_no_rows_give_no_figures() -> None:
    figures = measure_once(Outcomes(np.zeros(0, dtype=np.int64), np.zeros((0, 3))))
    assert all(np.isnan(value) for value in figures.values())


def test_rows_without_a_label_are_refused() -> None:
    with pytest.raises(ValueError, match="without a label"):
        Outcomes(np.array([-1]), np.array([[0.5, 0.5]]))


def test_labels_and_probabilities_must_be_of_the_same_rows() -> None:
    with pytest.raises(ValueError, match="2 labels, but probabilities for 1 rows"):
        Outcomes(np.array([0, 1]), np.array([[0.5, 0.5]]))
