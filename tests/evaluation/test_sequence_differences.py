"""The difference between two arms holds at every moment, whatever the shares and the weather."""

import numpy as np
import pytest

from evaluation.sequence_differences import (
    Arms,
    as_arms,
    as_pairs,
    difference_bounds,
    estimated_difference,
    evidence_of_gain,
    growth_of_difference,
    paired_bounds,
)
from evaluation.sequences import evidence_above, evidence_below, mixed
from tests.chances import within

LIMIT = np.log(2 / 0.05)


def draw(random: np.random.Generator, first: np.ndarray, gain: float, share: np.ndarray) -> Arms:
    second = random.random(len(first)) < share
    right = random.random(len(first)) < first + gain * second
    return as_arms(right, second, np.where(second, share, 1 - share) * 0.1)


def ever(arms: Arms) -> bool:
    """Whether a difference of nothing is refuted at any moment."""
    return bool(max(evidence_of_gain(arms).max(), evidence_of_gain(arms.swapped).max()) >= LIMIT)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_equal_arms_are_rarely_told_apart_at_any_moment(share: float) -> None:
    random = np.random.default_rng(21)
    n = 1500
    told = [ever(draw(random, np.full(n, 0.85), 0.0, np.full(n, share))) for _ in range(300)]
    assert within(float(np.mean(told)), 0.05, len(told))


def test_nor_are_they_when_shares_and_accuracy_change_together() -> None:
    # Tickets become harder while the challenger's share grows: plain shares would blame it.
    random = np.random.default_rng(22)
    n = 2000
    accuracy, share = np.linspace(0.95, 0.6, n), np.repeat([0.1, 0.5], n // 2)
    runs = [draw(random, accuracy, 0.0, share) for _ in range(300)]
    assert within(float(np.mean([ever(arms) for arms in runs])), 0.05, len(runs))
    plain = [arms.right[arms.second].mean() - arms.right[~arms.second].mean() for arms in runs]
    assert np.mean(plain) < -0.05
    assert abs(np.mean([estimated_difference(arms) for arms in runs])) < 0.01


def test_a_gain_is_found_and_held() -> None:
    random = np.random.default_rng(23)
    n = 4000
    found = 0
    for _ in range(40):
        low, high = difference_bounds(draw(random, np.full(n, 0.85), 0.06, np.full(n, 0.5)))
        assert low <= 0.06 <= high
        found += low > 0
    assert found >= 36  # power at 4,000 audited answers, a half each


def test_evidence_falls_with_the_difference_asked_about() -> None:
    random = np.random.default_rng(24)
    arms = draw(random, np.full(300, 0.6), -0.1, np.repeat([0.1, 0.7], 150))
    growth = growth_of_difference(arms)
    evidence = [float(mixed(growth(d))) for d in np.linspace(-0.999, 0.999, 300)]
    assert np.all(np.diff(evidence) <= 1e-9)


def test_bounds_hold_the_estimate_and_end_at_the_limit() -> None:
    random = np.random.default_rng(25)
    arms = draw(random, np.full(400, 0.7), 0.1, np.full(400, 0.3))
    low, high = difference_bounds(arms)
    assert low < estimated_difference(arms) < high
    assert evidence_of_gain(arms, low)[-1] == pytest.approx(LIMIT, abs=1e-6)
    assert evidence_of_gain(arms.swapped, -high)[-1] == pytest.approx(LIMIT, abs=1e-6)


def test_without_rows_of_both_arms_nothing_is_known() -> None:
    assert difference_bounds(as_arms([], [])) == (-1, 1)
    only = as_arms(np.ones(50), np.ones(50, dtype=bool))
    assert np.isnan(estimated_difference(only))
    low, high = difference_bounds(only)
    assert low < 0 < high
    with pytest.raises(ValueError, match="2 answers, but 1 arms"):
        as_arms([0, 1], [True])


def test_pairs_tell_small_gains_apart_sooner() -> None:
    random = np.random.default_rng(26)
    n = 2000
    gains = random.choice([-1, 0, 1], n, p=[0.02, 0.92, 0.06])
    low, high = paired_bounds(as_pairs(gains, np.full(n, 0.1)))
    assert 0 < low < 0.04 < high
    apart = difference_bounds(draw(random, np.full(n, 0.85), 0.04, np.full(n, 0.5)))
    assert high - low < (apart.high - apart.low) / 2


def test_pairs_without_a_gain_are_rarely_told_apart() -> None:
    random = np.random.default_rng(27)
    missed = 0
    for _ in range(200):
        gains = random.choice([-1, 0, 1], 1000, p=[0.05, 0.9, 0.05])
        pairs = as_pairs(gains)
        missed += max(evidence_above(pairs, 0.5).max(), evidence_below(pairs, 0.5).max()) >= LIMIT
    assert within(missed / 200, 0.05, 200)
