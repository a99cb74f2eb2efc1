"""Differences of paired shares: formulas against their sources, claims against simulation."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from evaluation.paired import (
    compare_accuracies,
    compare_shares,
    design_effect,
    holm,
    score_interval,
)

Z = float(norm.ppf(0.95))


def test_no_difference_seen_is_not_yet_no_difference():
    low, high = score_interval(60, 0, 0, 0.95)
    assert low == pytest.approx(-Z * Z / (60 + Z * Z), abs=1e-4)  # what Tango's formula becomes
    assert high == pytest.approx(-low, abs=1e-6)


def test_swapping_the_systems_mirrors_the_interval():
    low, high = score_interval(100, 12, 6, 0.975)
    assert score_interval(100, 6, 12, 0.975) == pytest.approx((-high, -low), abs=1e-6)
    assert low < 0.06 < high


def test_on_many_rows_it_is_the_interval_of_the_normal_distribution():
    low, high = score_interval(100_000, 3_000, 2_500, 0.95)
    half = Z * np.sqrt(5_500 - 500**2 / 100_000) / 100_000
    assert low == pytest.approx(0.005 - half, abs=2e-5)
    assert high == pytest.approx(0.005 + half, abs=2e-5)


def test_without_rows_everything_is_possible():
    assert score_interval(0, 0, 0, 0.95) == (-1.0, 1.0)
    assert compare_accuracies((0, 0), (5, 5), (0, 0), 0.95) == (-1.0, 1.0)
    nothing = compare_shares(np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, int))
    assert np.isnan(nothing.difference)
    assert np.isnan(nothing.error())
    assert nothing.worse == 1


def test_all_rows_for_one_system_reach_the_end():
    assert score_interval(50, 50, 0, 0.95)[1] == 1.0
    assert score_interval(50, 0, 50, 0.95)[0] == -1.0


@pytest.mark.parametrize(
    ("n", "first", "second"), [(50, 0.05, 0.05), (200, 0.02, 0.06), (1000, 0.03, 0.03)]
)
def test_a_bound_of_the_difference_is_wrong_as_rarely_as_it_says(
    n: int, first: float, second: float
):
    generator = np.random.default_rng(5)
    truth, misses = first - second, np.zeros(2)
    for only_first, only_second, _ in generator.multinomial(
        n, [first, second, 1 - first - second], 1000
    ):
        low, high = score_interval(n, only_first, only_second, 0.95)
        misses += [low > truth, high < truth]
    assert (misses / 1000 <= 0.075).all()


@pytest.mark.parametrize(
    ("shared", "alone", "rates"),
    [
        (30, (10, 10), (0.97, 0.9, 0.9)),
        (100, (100, 10), (0.98, 0.93, 0.93)),
        (200, (50, 50), (0.97, 0.8, 0.95)),
        (1800, (200, 200), (0.97, 0.8, 0.85)),
        (0, (60, 60), (1.0, 0.95, 0.95)),
    ],
)
def test_a_bound_of_overlapping_accuracies_is_wrong_as_rarely_as_the_docstring_says(
    shared: int, alone: tuple[int, int], rates: tuple[float, float, float]
):
    generator = np.random.default_rng(7)
    totals = np.array([shared + alone[0], shared + alone[1]])
    expected = (shared * rates[0] + np.multiply(alone, rates[1:])) / totals
    truth, misses = expected[0] - expected[1], np.zeros(2)
    for _ in range(2000):
        both = int(generator.binomial(shared, rates[0]))
        own = generator.binomial(alone, rates[1:])
        low, high = compare_accuracies(
            (both + int(own[0]), int(totals[0])),
            (both + int(own[1]), int(totals[1])),
            (both, shared),
            0.95,
        )
        misses += [low > truth, high < truth]
    assert (misses / 2000 <= 0.08).all()


def test_groups_count_once():
    first = np.array([True, True, True, False] * 25)
    second = np.array([False, False, False, True] * 25)
    alone = compare_shares(first, second, np.arange(100))
    grouped = compare_shares(first, second, np.arange(100) // 4)
    assert alone.difference == grouped.difference == 0.5
    assert alone.effect == pytest.approx(1)
    copies = compare_shares(first[::4], second[::4], np.arange(25))
    thrice = compare_shares(np.repeat(first[::4], 3), np.repeat(second[::4], 3), np.arange(75) // 3)
    assert thrice.effect == pytest.approx(3)
    assert thrice.interval(0.95) == pytest.approx(copies.interval(0.95), abs=1e-9)
    assert thrice.worse == copies.worse


def test_a_design_effect_is_at_least_one_and_the_size_of_groups_that_agree():
    opposite = np.array([1.0, -1.0] * 10)
    assert design_effect(opposite, np.repeat(np.arange(10), 2)) == 1
    assert design_effect(np.zeros(20), np.repeat(np.arange(10), 2)) == 2
    assert design_effect(np.repeat([1.0, -1.0], 10), np.repeat(np.arange(10), 2)) == 2


def test_being_worse_is_tested_exactly():
    right = np.array([True] * 7 + [False] * 1 + [True] * 50)
    wrong = np.array([False] * 7 + [True] * 1 + [True] * 50)
    groups = np.arange(58)
    assert compare_shares(wrong, right, groups).worse == pytest.approx((8 + 1) / 2**8)
    assert compare_shares(right, wrong, groups).worse == pytest.approx(1 - 1 / 2**8)


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match="2, 3 rows and 3 groups"):
        compare_shares(np.ones(2, bool), np.ones(3, bool), np.arange(3))


def test_holm_stops_at_the_first_that_does_not_stand():
    assert holm([0.04, 0.001, 0.02], 0.05) == [True, True, True]
    assert holm([0.04, 0.001, 0.03], 0.05) == [False, True, False]
    assert holm([], 0.05) == []


def test_accuracies_of_the_same_rows_differ_by_nothing():
    low, high = compare_accuracies((90, 100), (90, 100), (90, 100), 0.95)
    assert low == pytest.approx(-high)
    assert high < 0.04
    bounds = [compare_accuracies((95, 100), (98, 100), (n, n), 0.95)[1] for n in (0, 50, 93)]
    assert all(later <= earlier for earlier, later in pairwise(bounds))
