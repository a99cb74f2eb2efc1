"""Shares of classes are recovered without labels, and answers follow them."""

import numpy as np
import pytest

from evaluation.drift_labels import (
    adjust_posterior,
    bbse_priors,
    confusion,
    em_priors,
    estimate_priors,
    matched_rows,
)
from evaluation.drift_window import OTHER, UNKNOWN, Answers
from tests.windows import PRIORS, draw_window, posterior

NOW = (0.2, 0.2, 0.6)


def test_em_finds_the_shares_that_the_tickets_were_drawn_with() -> None:
    window = draw_window(np.random.default_rng(0), 4000, priors=NOW)
    answers = window.targets["kind"]
    assert answers.probabilities is not None
    found = em_priors(answers.probabilities, np.array(PRIORS))
    # Three standard errors of a share among 4,000, doubled since the classes overlap.
    np.testing.assert_allclose(found, NOW, atol=0.047)
    answered = np.bincount(answers.predicted, minlength=3) / 4000
    assert np.abs(found - NOW).max() < np.abs(answered - NOW).max()


def test_em_is_at_rest_where_the_mean_probabilities_are_the_shares() -> None:
    window = draw_window(np.random.default_rng(1), 500)
    probabilities = window.targets["kind"].probabilities
    assert probabilities is not None
    before = probabilities.mean(axis=0)
    np.testing.assert_allclose(em_priors(probabilities, before), before, atol=1e-6)


def test_bbse_inverts_the_confusion() -> None:
    joint = np.array([[0.40, 0.03], [0.10, 0.47]])
    now = np.array([0.3, 0.7])
    answered = joint / joint.sum(axis=0) @ now
    np.testing.assert_allclose(bbse_priors(joint, answered), now)


def test_bbse_gives_no_negative_share() -> None:
    joint = np.array([[0.40, 0.20], [0.10, 0.30]])
    found = bbse_priors(joint, np.array([0.05, 0.95]))
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)


def test_bbse_of_a_useless_confusion_is_what_was_answered() -> None:
    np.testing.assert_array_equal(bbse_priors(np.zeros((2, 2)), np.array([0.3, 0.7])), [0.3, 0.7])


def test_adjusted_answers_are_those_of_bayes_at_the_new_shares() -> None:
    window = draw_window(np.random.default_rng(2), 50)
    assert window.embeddings is not None
    vectors = window.embeddings.astype(np.float64)
    found = adjust_posterior(posterior(vectors), np.array(PRIORS), np.array(NOW))
    np.testing.assert_allclose(found, posterior(vectors, NOW), atol=1e-12)


def test_an_answer_whose_classes_are_all_gone_stays_as_it_is() -> None:
    gone = adjust_posterior(np.array([[1.0, 0.0]]), np.array([0.5, 0.5]), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(gone, [[1.0, 0.0]])


def test_without_probabilities_the_labels_of_the_reference_serve() -> None:
    random = np.random.default_rng(3)
    then = draw_window(random, 3000, probabilities=False).targets["kind"]
    now = draw_window(random, 3000, probabilities=False, priors=NOW).targets["kind"]
    found = estimate_priors(then, now)
    assert found is not None
    assert found.method == "bbse"
    np.testing.assert_allclose(found.current, NOW, atol=0.05)
    assert found.effect > 0.3
    np.testing.assert_allclose(found.weights, found.current / found.reference)


@pytest.mark.parametrize("truth", [None, [UNKNOWN] * 4, [OTHER] * 4])
def test_without_labels_and_probabilities_nothing_can_be_estimated(truth: list[int] | None) -> None:
    known = None if truth is None else np.array(truth)
    answers = Answers(("a", "b"), np.array([0, 1, 0, 1]), np.full(4, 0.9), truth=known)
    assert estimate_priors(answers, answers) is None


def test_confusion_counts_answers_in_rows() -> None:
    found = confusion(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2)
    np.testing.assert_array_equal(found, [[0.25, 0.25], [0.0, 0.5]])


def test_matched_rows_have_the_shares_asked_for_and_none_is_drawn_twice() -> None:
    truth = np.repeat([0, 1], [3000, 3000])
    rows = matched_rows(truth, np.array([0.4, 1.6]), seed=0)
    assert rows is not None
    assert len(set(rows.tolist())) == len(rows)
    assert truth[rows].mean() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    ("truth", "weights"),
    [([UNKNOWN] * 500, [1.0, 1.0]), ([0] * 500, [0.0, 1.0]), ([0] * 150, [1.0, 1.0])],
)
def test_too_few_matched_rows_are_none(truth: list[int], weights: list[float]) -> None:
    assert matched_rows(np.array(truth), np.array(weights), seed=0) is None
