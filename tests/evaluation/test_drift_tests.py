"""Tests of columns: an effect that does not follow n, and p-values that hold."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from evaluation.drift_tests import (
    Finding,
    cohens_w,
    compare_numbers,
    compare_shares,
    conclude,
    stability_index,
)


def finding(p_value: float, effect: float = 0.5) -> Finding:
    return Finding("language", "input", "w", effect, 0.1, p_value)


def test_w_of_equally_large_windows_is_that_of_their_table() -> None:
    table = np.array([[60, 30, 10], [40, 40, 20]])
    chi2 = chi2_contingency(table, correction=False).statistic
    p, q = table / table.sum(axis=1, keepdims=True)
    assert cohens_w(p, q) == pytest.approx(np.sqrt(chi2 / table.sum()))


def test_w_is_one_where_nothing_is_shared_and_0_where_all_is() -> None:
    assert cohens_w(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1)
    assert cohens_w(np.array([0.4, 0.6, 0.0]), np.array([0.4, 0.6, 0.0])) == 0


def test_the_stability_index_is_that_of_siddiqi() -> None:
    table = np.array([[5000, 5000], [4000, 6000]])
    expected = (0.4 - 0.5) * np.log(0.4 / 0.5) + (0.6 - 0.5) * np.log(0.6 / 0.5)
    assert stability_index(table) == pytest.approx(expected, rel=1e-3)


def test_shares_tell_the_values_that_moved_most() -> None:
    found = compare_shares("language", "input", ["en"] * 90 + ["de"] * 10, ["en"] * 100, 0.1)
    assert found.facts["reference:en"] == 0.9
    assert found.facts["current:de"] == 0.0
    assert found.facts["moved"] == pytest.approx(0.1)
    assert found.p_value < 0.01


def test_rare_values_count_together() -> None:
    """A value of each ticket would have 200 cells with nothing expected in them."""
    names = [f"rare-{i}" for i in range(200)]
    found = compare_shares("x", "input", ["a"] * 300 + names[:100], ["a"] * 300 + names[100:], 0.1)
    assert found.p_value == pytest.approx(1)


def test_one_value_alone_moves_nowhere() -> None:
    found = compare_shares("x", "input", ["a"] * 50, ["a"] * 70, 0.1)
    assert (found.effect, found.p_value) == (0.0, 1.0)


def test_the_effect_of_a_difference_is_the_same_in_larger_windows() -> None:
    small = compare_shares("x", "input", ["a"] * 60 + ["b"] * 40, ["a"] * 50 + ["b"] * 50, 0.1)
    large = compare_shares("x", "input", ["a"] * 600 + ["b"] * 400, ["a"] * 50 + ["b"] * 50, 0.1)
    assert small.effect == pytest.approx(large.effect)
    assert small.p_value > large.p_value


def test_numbers_are_compared_by_their_whole_distribution() -> None:
    random = np.random.default_rng(0)
    narrow, wide = random.normal(0, 1, 800), random.normal(0, 3, 800)
    found = compare_numbers("length", "input", narrow, wide, 0.1)
    assert found.effect > 0.2
    assert found.p_value < 1e-6
    assert found.facts["current_median"] == float(np.median(wide))


def test_numbers_kept_in_less_precision_are_the_same_numbers() -> None:
    exact = np.repeat([0.97, 0.7], 200)
    found = compare_numbers("c", "output", exact.astype(np.float32).astype(float), exact, 0.1)
    assert found.effect == 0


@pytest.mark.parametrize("column", ["shares", "numbers", "ties"])
def test_p_values_hold_where_nothing_has_moved(column: str) -> None:
    random = np.random.default_rng(1)
    values = []
    for _ in range(400):
        if column == "shares":
            then, now = (
                random.choice(list("abcdefgh"), n, p=np.r_[0.93, [0.01] * 7]) for n in (300, 150)
            )
            values.append(compare_shares("x", "input", list(then), list(now), 0.1).p_value)
        else:
            then, now = (random.exponential(size=n) for n in (300, 150))
            if column == "ties":
                then, now = np.floor(then), np.floor(now)
            values.append(compare_numbers("x", "input", then, now, 0.1).p_value)
    for level in (0.05, 0.2):
        assert np.mean(np.array(values) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 400)


def test_p_values_are_adjusted_for_how_many_there_are() -> None:
    """Benjamini and Hochberg by hand: 0.01 * 3, then the smaller of 0.04 * 3 / 2 and 0.05."""
    checks = conclude([finding(0.01), finding(0.05), finding(0.04)], 0.035)
    assert [check.adjusted for check in checks] == pytest.approx([0.03, 0.05, 0.05])
    assert [check.drifted for check in checks] == [True, False, False]


def test_a_small_effect_does_not_count_whatever_its_p_value() -> None:
    assert not conclude([finding(1e-30, effect=0.09)], 0.05)[0].drifted


def test_nothing_looked_at_is_nothing_found() -> None:
    assert conclude([], 0.05) == ()
