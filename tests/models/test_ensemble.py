"""Weights, temperature and the mean of the members."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError
from models.calibration import apply_temperature, fit_temperature, log_loss
from models.ensemble import (
    Ensemble,
    TargetEnsemble,
    fit_combination,
    fit_weights,
    read_ensemble,
    weighted_mean,
)
from models.pooling import LogPool
from models.routing import RoutingParams, fit_policy
from models.shortlist import Shortlist


def answers(n: int = 400) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A member that knows, one that guesses, and the truth."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, n)
    knows = np.full((n, 3), 0.1)
    knows[np.arange(n), np.where(random.random(n) < 0.9, truth, (truth + 1) % 3)] = 0.8
    return {"knows": knows, "guesses": random.dirichlet(np.ones(3), n)}, truth


def small_ensemble() -> Ensemble:
    probabilities, truth = answers()
    policy = fit_policy(
        (probabilities["knows"], truth),
        (probabilities["knows"], truth),
        ("a", "b", "c"),
        RoutingParams(),
        "test",
    )
    target = TargetEnsemble(
        classes=("a", "b", "c"),
        weights={"knows": 1.0, "guesses": 0.0},
        temperatures={"knows": 1.0, "guesses": 1.0},
        temperature=0.5,
        routing=policy,
        shortlist=Shortlist(coverage=0.95, threshold=0.1, rows=400),
    )
    return Ensemble(targets={"category": target})


def test_the_member_that_knows_gets_the_weight() -> None:
    probabilities, truth = answers()
    weights = fit_weights(probabilities, truth, 0.02)
    assert weights["knows"] > 0.9
    assert sum(weights.values()) == pytest.approx(1)


def test_a_weight_below_the_smallest_is_dropped() -> None:
    probabilities, truth = answers()
    weights = fit_weights(probabilities, truth, 0.4)
    assert weights == {"knows": 1.0, "guesses": 0.0}


def test_without_rows_all_members_count_alike() -> None:
    none = {"a": np.empty((0, 2)), "b": np.empty((0, 2))}
    assert fit_weights(none, np.empty(0, dtype=int), 0.02) == {"a": 0.5, "b": 0.5}


def test_fitted_weights_lose_to_no_single_member() -> None:
    probabilities, truth = answers()
    fitted = log_loss(weighted_mean(probabilities, fit_weights(probabilities, truth, 0.0)), truth)
    assert all(fitted <= log_loss(p, truth) + 1e-6 for p in probabilities.values())


def test_a_member_that_is_missing_leaves_its_weight_to_the_others() -> None:
    probabilities, _ = answers()
    mean = weighted_mean({"knows": probabilities["knows"]}, {"knows": 0.7, "guesses": 0.3})
    np.testing.assert_allclose(mean, probabilities["knows"])
    alone = weighted_mean({"guesses": probabilities["guesses"]}, {"knows": 1.0, "guesses": 0.0})
    np.testing.assert_allclose(alone, probabilities["guesses"])


def test_temperature_one_changes_nothing_and_two_flattens() -> None:
    probabilities, _ = answers()
    knows = probabilities["knows"]
    np.testing.assert_allclose(apply_temperature(knows, 1.0), knows)
    flat = apply_temperature(knows, 2.0)
    assert (flat.max(axis=1) < knows.max(axis=1)).all()
    assert (flat.argmax(axis=1) == knows.argmax(axis=1)).all()


def test_the_temperature_undoes_a_distortion() -> None:
    random = np.random.default_rng(1)
    honest = random.dirichlet(np.ones(3), 4000)
    truth = np.minimum((random.random(4000)[:, None] > honest.cumsum(axis=1)).sum(axis=1), 2)
    assert fit_temperature(apply_temperature(honest, 0.5), truth) == pytest.approx(2.0, rel=0.1)
    assert fit_temperature(honest[:0], truth[:0]) == 1.0


def test_an_ensemble_survives_the_disk(tmp_path: Path) -> None:
    ensemble = small_ensemble()
    ensemble.write(tmp_path)
    assert read_ensemble(tmp_path) == ensemble
    assert ensemble.members == ("knows",)


def test_combining_gives_calibrated_rows() -> None:
    probabilities, _ = answers()
    combined = small_ensemble().combine(
        {m: {"category": p} for m, p in probabilities.items()}, ["a text"]
    )
    np.testing.assert_allclose(combined["category"], apply_temperature(probabilities["knows"], 0.5))


def test_a_missing_or_broken_ensemble_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        read_ensemble(tmp_path)
    (tmp_path / "ensemble.json").write_text('{"targets": 3}', encoding="utf-8")
    with pytest.raises(BundleError, match="not an ensemble"):
        read_ensemble(tmp_path)


def test_members_differently_sure_of_themselves_are_brought_to_one_measure() -> None:
    random = np.random.default_rng(5)
    honest = random.dirichlet(np.full(3, 0.5), 4000)
    truth = np.array([random.choice(3, p=row) for row in honest])
    noisy = apply_temperature(honest + 0.2 * random.dirichlet(np.ones(3), 4000), 1.0)
    members = {"sharp": apply_temperature(honest, 0.25), "flat": apply_temperature(noisy, 3.0)}
    fitted = fit_combination(members, truth, 0.0)
    assert fitted.temperatures["sharp"] > 2 > 1 > fitted.temperatures["flat"]
    weights = fit_weights(members, truth, 0.0)
    mean = weighted_mean(members, weights)
    once = apply_temperature(mean, fit_temperature(mean, truth))
    assert log_loss(fitted.combine(members), truth) < log_loss(once, truth)


def test_given_weights_are_kept() -> None:
    probabilities, truth = answers()
    fitted = fit_combination(probabilities, truth, 0.02, {"knows": 0.6, "guesses": 0.4})
    assert fitted.weights == {"knows": 0.6, "guesses": 0.4}


def test_a_pool_answers_when_all_its_members_do_and_the_mean_otherwise() -> None:
    probabilities, truth = answers()
    mean = fit_combination(probabilities, truth, 0.02)
    pool = LogPool(weights={"knows": (2.0, 1.0, 1.0), "guesses": (0.0, 0.1, 0.0)}, bias=(0, 0, 0))
    fitted = mean.model_copy(update={"pool": pool})
    np.testing.assert_array_equal(fitted.combine(probabilities), pool.combine(probabilities))
    alone = {"knows": probabilities["knows"]}
    np.testing.assert_array_equal(fitted.combine(alone), mean.combine(alone))
