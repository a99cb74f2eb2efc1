"""The intervals hold at every moment at once, and are not much wider than they have to be."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.intervals import exact_interval
from evaluation.sequences import (
    PARTS,
    Rows,
    as_rows,
    evidence_above,
    evidence_below,
    growth_of_mean,
    mean_bounds,
    mixed,
    rows_needed,
    weighted_mean,
)
from tests.chances import within

quick = settings(deadline=None, max_examples=40)
VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def misses(rows: Rows, mean: float, alpha: float = 0.05) -> bool:
    """Whether the interval leaves the mean out at any moment."""
    limit = np.log(2 / alpha)
    return bool(max(evidence_below(rows, mean).max(), evidence_above(rows, mean).max()) >= limit)


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.98])
def test_the_truth_is_inside_at_every_moment(accuracy: float) -> None:
    random = np.random.default_rng(7)
    runs = [as_rows(random.random(1500) < accuracy) for _ in range(400)]
    share = np.mean([misses(rows, accuracy) for rows in runs])
    assert within(float(share), 0.05, len(runs))
    assert share > 0  # the bound is used, not vacuous: 0.5 to 3 % here


def test_intervals_for_one_look_do_not_hold_at_every_moment() -> None:
    random = np.random.default_rng(7)
    looks = range(20, 1501, 40)
    missed = 0
    for _ in range(100):
        right = np.cumsum(random.random(1500) < 0.9)
        ends = [exact_interval(int(right[n - 1]), n) for n in looks]
        missed += any(not low <= 0.9 <= high for low, high in ends)
    assert missed > 15  # five of a hundred was the promise


def test_values_that_are_no_truth_values_hold_too() -> None:
    random = np.random.default_rng(3)
    runs = [as_rows(random.beta(2, 5, 800)) for _ in range(300)]
    assert within(float(np.mean([misses(rows, 2 / 7) for rows in runs])), 0.05, len(runs))


def test_the_mean_over_all_tickets_is_held_though_hard_ones_are_drawn_more_often() -> None:
    random = np.random.default_rng(11)
    missed, naive = [], []
    for _ in range(300):
        hard = random.random(4000) < 0.3
        right = random.random(4000) < np.where(hard, 0.6, 0.95)
        propensity = np.where(hard, 0.5, 0.1)
        drawn = random.random(4000) < propensity
        truth = 0.3 * 0.6 + 0.7 * 0.95
        missed.append(misses(as_rows(right[drawn], propensity[drawn]), truth))
        naive.append(misses(as_rows(right[drawn]), truth))
    assert within(float(np.mean(missed)), 0.05, len(missed))
    assert np.mean(naive) > 0.9


def test_a_promise_that_is_kept_at_every_moment_is_rarely_refuted_however_accuracy_moves() -> None:
    random = np.random.default_rng(5)
    accuracy = np.where(np.arange(2000) % 500 < 250, 0.95, 0.99)
    runs = [as_rows(random.random(2000) < accuracy) for _ in range(300)]
    refuted = [bool(evidence_below(rows, 0.95).max() >= np.log(1 / 0.05)) for rows in runs]
    assert within(float(np.mean(refuted)), 0.05, len(runs))


def test_a_broken_promise_is_refuted_within_a_few_hundred_tickets() -> None:
    random = np.random.default_rng(9)
    at = []
    for _ in range(100):
        refuted = evidence_below(as_rows(random.random(2000) < 0.9), 0.95) >= np.log(1 / 0.025)
        at.append(int(refuted.argmax()) if refuted.any() else 2000)
    assert np.median(at) < 350


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.95, 0.98])
@pytest.mark.parametrize("n", [50, 200, 1000, 5000])
def test_the_width_is_less_than_twice_that_of_clopper_and_pearson(accuracy: float, n: int) -> None:
    right = round(accuracy * n)
    low, high = mean_bounds(as_rows(np.arange(n) < right))
    exact = exact_interval(right, n)
    assert low < exact[0] < exact[1] < high
    assert 1.4 < (high - low) / (exact[1] - exact[0]) < 1.75


@quick
@given(VALUES, st.randoms())
def test_the_order_of_rows_does_not_matter(values: list[float], random: object) -> None:
    shuffled = sorted(values)
    assert mean_bounds(as_rows(values)) == pytest.approx(mean_bounds(as_rows(shuffled)))


@quick
@given(st.data(), VALUES)
def test_the_estimate_is_inside(data: st.DataObject, values: list[float]) -> None:
    n = len(values)
    drawn = data.draw(st.lists(st.floats(0.01, 1), min_size=n, max_size=n))
    rows = as_rows(values, drawn)
    low, high = mean_bounds(rows)
    assert 0 <= low <= weighted_mean(rows) + 1e-9
    assert weighted_mean(rows) - 1e-9 <= high <= 1


@quick
@given(VALUES)
def test_what_is_right_is_the_mirror_of_what_is_wrong(values: list[float]) -> None:
    low, high = mean_bounds(as_rows(values))
    mirrored = mean_bounds(as_rows([1 - value for value in values]))
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_bounds_end_where_the_evidence_reaches_its_limit() -> None:
    rows = as_rows(np.arange(300) % 7 > 0)
    low, high = mean_bounds(rows, 0.1)
    assert evidence_above(rows, low)[-1] == pytest.approx(np.log(2 / 0.1), abs=1e-6)
    assert evidence_below(rows, high)[-1] == pytest.approx(np.log(2 / 0.1), abs=1e-6)


def test_equal_probabilities_are_as_good_as_none() -> None:
    values = np.arange(50) % 5 > 0
    assert mean_bounds(as_rows(values, np.full(50, 0.05))) == mean_bounds(as_rows(values))


def test_without_rows_everything_is_possible() -> None:
    assert mean_bounds(as_rows([], [])) == (0, 1)
    assert np.isnan(weighted_mean(as_rows([])))


def test_what_is_no_share_or_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\], not in \[0, 2\]"):
        as_rows([0, 2])
    with pytest.raises(ValueError, match="not in"):
        as_rows([float("nan")])
    with pytest.raises(ValueError, match=r"in \(0, 1\], not in \[0, 1\]"):
        as_rows([0, 1], [0, 1])
    with pytest.raises(ValueError, match="2 values, but 1 probabilities"):
        as_rows([0, 1], [1])


def test_the_rows_needed_are_enough_and_hardly_more() -> None:
    seen = np.arange(100) % 50 > 0  # 0.98
    grown = growth_of_mean(as_rows(seen))(0.95)
    needed = rows_needed(grown, 100, 0.025)
    assert needed is not None

    def refutes(n: int) -> bool:
        return bool(mixed(grown * n / 100) >= np.log(1 / 0.025))

    assert refutes(needed)
    assert not refutes(needed - 2)
    assert rows_needed(growth_of_mean(as_rows(seen))(0.99), 100, 0.025) is None
    assert rows_needed(np.zeros(len(PARTS)), 0, 0.025) is None


def test_thousands_of_rows_take_well_under_a_second() -> None:
    random = np.random.default_rng(1)
    rows = as_rows(random.random(20_000) < 0.9, random.choice([0.05, 0.1], 20_000))
    began = time.process_time()
    mean_bounds(rows)
    evidence_below(rows, 0.95)
    assert time.process_time() - began < 1
