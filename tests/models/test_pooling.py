"""The logarithmic pool: a weight per member and class."""

import numpy as np
import pytest
from pydantic import ValidationError

from models.calibration import log_loss
from models.ensemble import fit_combination
from models.pooling import LogPool, choose_pool, fit_pool


def judges(n: int = 3000, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two members, each right about one half of four classes and taking the others for its own."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, n)
    answers = {}
    for name, own in (("words", (0, 1)), ("meaning", (2, 3))):
        score = random.normal(size=(n, 4))
        score[:, own] += 1.5
        score[np.arange(n), truth] += np.where(np.isin(truth, own), 2.0, 0.5)
        raised = np.exp(score)
        answers[name] = raised / raised.sum(axis=1, keepdims=True)
    return answers, truth


def parts(n: int) -> np.ndarray:
    return np.arange(n) % 5


def test_each_member_is_believed_most_in_the_classes_it_knows() -> None:
    answers, truth = judges()
    pool = fit_pool(answers, truth, C=1.0)
    words, meaning = (np.array(pool.weights[name]) for name in ("words", "meaning"))
    assert (words[:2] > meaning[:2]).all()
    assert (meaning[2:] > words[2:]).all()


def test_the_pool_loses_less_than_the_mean_on_rows_it_has_not_seen() -> None:
    answers, truth = judges()
    unseen, answer = judges(seed=1)
    mean = fit_combination(answers, truth, 0.0)
    pool = fit_pool(answers, truth, C=1.0)
    assert log_loss(pool.combine(unseen), answer) < log_loss(mean.combine(unseen), answer) - 0.01


def test_rows_are_distributions_even_where_a_member_rules_classes_out() -> None:
    pool = LogPool(weights={"one": (1.0, -0.5, 2.0)}, bias=(0.0, 0.1, 0.0))
    told = pool.combine({"one": np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])})
    assert np.isfinite(told).all()
    np.testing.assert_allclose(told.sum(axis=1), 1)


def test_equal_weights_without_bias_are_the_geometric_mean() -> None:
    a, b = np.array([[0.2, 0.8]]), np.array([[0.6, 0.4]])
    pool = LogPool(weights={"a": (0.5, 0.5), "b": (0.5, 0.5)}, bias=(0.0, 0.0))
    wanted = np.sqrt(a * b) / np.sqrt(a * b).sum()
    np.testing.assert_allclose(pool.combine({"a": a, "b": b}), wanted)


def test_a_strong_penalty_leaves_equal_shares() -> None:
    answers, truth = judges()
    pool = fit_pool(answers, truth, C=1e-9)
    np.testing.assert_allclose([pool.weights["words"], pool.weights["meaning"]], 0.5, atol=1e-4)
    np.testing.assert_allclose(pool.bias, 0, atol=1e-4)


def test_cooling_is_a_temperature_on_the_answers() -> None:
    answers, truth = judges()
    pool = fit_pool(answers, truth, C=1.0)
    told = pool.combine(answers) ** (1 / 1.7)
    np.testing.assert_allclose(
        pool.cooled(1.7).combine(answers), told / told.sum(axis=1, keepdims=True)
    )


def test_a_pool_that_helps_is_kept_and_its_answers_are_of_unseen_rows() -> None:
    answers, truth = judges()
    mean = fit_combination(answers, truth, 0.0).combine(answers)
    chosen = choose_pool(answers, truth, mean, parts(len(truth)), C=1.0)
    assert chosen.pool is not None
    assert chosen.gain.counts
    assert chosen.gain.error > 0
    first = parts(len(truth)) == 0
    seen = {name: found[~first] for name, found in answers.items()}
    by_others = fit_pool(seen, truth[~first], C=1.0)
    np.testing.assert_allclose(
        chosen.probabilities[first],
        by_others.combine({name: found[first] for name, found in answers.items()}),
    )


def test_where_one_weight_per_member_is_right_the_mean_stays() -> None:
    random = np.random.default_rng(3)
    honest = random.dirichlet(np.ones(4), 400)
    truth = np.array([random.choice(4, p=row) for row in honest])
    chosen = choose_pool({"one": honest}, truth, honest, parts(400), C=1.0)
    assert chosen.pool is None
    assert not chosen.gain.counts


def test_weights_that_do_not_fit_the_classes_are_refused() -> None:
    with pytest.raises(ValidationError, match="needs 3 weights"):
        LogPool(weights={"one": (1.0, 1.0)}, bias=(0.0, 0.0, 0.0))
