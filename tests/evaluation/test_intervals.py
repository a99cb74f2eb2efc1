"""Intervals hold what they should, and groups are drawn whole."""

import numpy as np
import pytest
from scipy.stats import binomtest

from evaluation.intervals import (
    draw_counts,
    error_interval,
    exact_interval,
    measure_with_intervals,
    percentile_interval,
)
from evaluation.metrics import FIGURES, Outcomes, measure, measure_once


def test_a_group_is_drawn_whole_or_not_at_all() -> None:
    counts = draw_counts(["a", "a", "b", "c", "c", "c"], draws=200, seed=1)
    assert np.all(counts[:, 0] == counts[:, 1])
    assert np.all(counts[:, 3] == counts[:, 5])
    assert np.all(counts[:, [0, 2, 3]].sum(axis=1) == 3)  # three groups drawn from three


def test_the_same_seed_draws_the_same() -> None:
    groups = [str(row) for row in range(30)]
    first, second = draw_counts(groups, 20, seed=5), draw_counts(groups, 20, seed=5)
    np.testing.assert_array_equal(first, second)
    assert np.any(first != draw_counts(groups, 20, seed=6))


def test_groups_of_copies_widen_the_interval() -> None:
    generator = np.random.default_rng(3)
    correct = np.repeat(generator.random(100) < 0.8, 4)
    outcomes = Outcomes(np.where(correct, 0, 1), np.tile([0.9, 0.1], (400, 1)))
    clustered = draw_counts(np.repeat(np.arange(100), 4).astype(str).tolist(), 400, seed=1)
    plain = draw_counts([str(row) for row in range(400)], 400, seed=1)
    spread = [np.std(measure(outcomes, counts)["accuracy"]) for counts in (clustered, plain)]
    assert spread[0] / spread[1] == pytest.approx(2, rel=0.2)  # sqrt of 4 copies


def test_no_rows_are_no_draws_and_no_draw_is_refused() -> None:
    assert draw_counts([], 3, seed=1).shape == (3, 0)
    with pytest.raises(ValueError, match="0 draws"):
        draw_counts(["a"], 0, seed=1)


def test_the_percentile_interval_leaves_out_draws_that_do_not_exist() -> None:
    draws = np.append(np.arange(101.0), np.nan)
    assert percentile_interval(draws) == pytest.approx([2.5, 97.5])
    assert percentile_interval(np.array([np.nan])) is None
    assert error_interval(np.array([np.nan]), 0.1) is None


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (17, 20), (960, 1000)])
def test_the_exact_interval_is_clopper_and_pearsons(successes: int, n: int) -> None:
    known = binomtest(successes, n).proportion_ci(0.95, method="exact")
    assert exact_interval(successes, n) == pytest.approx([known.low, known.high])


def test_nothing_seen_says_nothing() -> None:
    assert exact_interval(0, 0) == [0.0, 1.0]


def test_the_interval_of_a_calibration_error_holds_the_truth_where_percentiles_miss_it() -> None:
    generator, truth, held, plain = np.random.default_rng(0), 0.02, 0, 0
    for _ in range(40):
        confidence = generator.uniform(0.3, 1, 500) ** 0.5
        correct = generator.random(500) < confidence - truth
        outcomes = Outcomes(np.where(correct, 0, 1), np.column_stack([confidence, 1 - confidence]))
        draws = measure(outcomes, draw_counts([str(i) for i in range(500)], 200, seed=1))["ece"]
        low, high = error_interval(draws, measure_once(outcomes)["ece"]) or [0, 0]
        held += low <= truth <= high
        low, high = percentile_interval(draws) or [0, 0]
        plain += low <= truth <= high
    assert held >= 32
    assert plain <= 6


def test_every_figure_lies_in_its_interval() -> None:
    generator = np.random.default_rng(2)
    probabilities = generator.dirichlet(np.ones(3) * 0.4, 300)
    labels = np.array([generator.choice(3, p=row) for row in probabilities])
    outcomes = Outcomes(labels, probabilities, probabilities.max(axis=1) > 0.8)
    figures = measure_with_intervals(
        outcomes, draw_counts([str(row) for row in range(300)], 300, seed=4)
    )
    for name in FIGURES:
        low, high = figures[f"{name}_ci"]
        assert 0 <= low <= figures[name] <= high <= 1, name


def test_a_figure_that_does_not_exist_has_no_interval() -> None:
    outcomes = Outcomes(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    figures = measure_with_intervals(outcomes, draw_counts(["a", "b"], 10, seed=1))
    assert figures["certified_automation"] is None
    assert figures["certified_automation_ci"] is None
