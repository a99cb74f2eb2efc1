"""A gap between two arms is decided by its interval, and says what is still missing."""

import numpy as np
import pytest

from evaluation.contest import Contest

ALPHA = 0.05


def apart(n: int, first: float, second: float, share: float = 0.5) -> Contest:
    """n answers in an order drawn once, with these shares right as exactly as n allows."""
    whose = np.arange(n) < round(share * n)
    right = np.concatenate(
        [np.arange(size) < round(size * accuracy)
         for size, accuracy in ((whose.sum(), second), (n - whose.sum(), first))]
    )  # fmt: skip
    order = np.random.default_rng(0).permutation(n)
    drawn = np.where(whose, share, 1 - share)
    return Contest.apart(
        right[order].astype(float).tolist(), whose[order].tolist(), drawn[order].tolist(), ALPHA
    )


def test_a_clear_gap_is_decided_either_way() -> None:
    better, worse = apart(2000, 0.8, 0.9), apart(2000, 0.9, 0.8)
    assert better.gap.value == pytest.approx(0.1, abs=0.002)
    assert (better.decide(0.02), worse.decide(0.02)) == ("better", "worse")
    assert better.gap.evidence_better > np.log(2 / ALPHA) > better.gap.evidence_worse
    assert worse.gap.evidence_worse > np.log(2 / ALPHA) > worse.gap.evidence_better


def test_equal_arms_are_no_different_once_enough_was_seen() -> None:
    assert apart(400, 0.9, 0.9).decide(0.02) == "too early"
    assert apart(400, 0.9, 0.9).decide(0.15) == "no difference worth the name"


@pytest.mark.parametrize(("first", "second"), [(0.85, 0.92), (0.92, 0.85), (0.9, 0.9)])
def test_what_is_missing_decides_it(first: float, second: float) -> None:
    margin = 0.05
    few = apart(400, first, second)
    assert few.decide(margin) == "too early"
    missing = few.missing(margin, ALPHA)
    assert missing is not None  # an estimate, good to a factor of two
    assert apart(400 + missing // 2, first, second).decide(margin) == "too early"
    assert apart(400 + 2 * missing, first, second).decide(margin) != "too early"


def test_a_gap_as_large_as_the_margin_is_seen_to_be_a_gap() -> None:
    contest = apart(400, 0.9, 0.95)
    assert contest.missing(0.05, ALPHA) is not None


def test_without_rows_nobody_knows_what_is_missing() -> None:
    nothing = Contest.apart([], [], [], ALPHA)
    assert nothing.gap.value is None
    assert nothing.missing(0.02, ALPHA) is None
    assert Contest.beside([], [], [], ALPHA).gap.value is None


def test_pairs_take_the_worse_of_what_is_not_known() -> None:
    known = [0.0] * 950 + [1.0] * 50
    doubtful = [0.0] * 950 + [1.0] * 100
    drawn = [0.1] * 1050
    sure = Contest.beside(known + [0.0] * 50, known + [0.0] * 50, drawn, ALPHA)
    unsure = Contest.beside(known + [0.0] * 50, doubtful, drawn, ALPHA)
    assert sure.gap.value == unsure.gap.value == pytest.approx(50 / 1050)
    assert unsure.gap.low == sure.gap.low
    assert unsure.gap.high > sure.gap.high
    assert sure.decide(0.02) == "better"


def test_missing_pairs_are_counted_as_pairs() -> None:
    gains = [0.0] * 95 + [1.0] * 4 + [-1.0]
    few = Contest.beside(gains, gains, [0.1] * 100, ALPHA)
    missing = few.missing(0.02, ALPHA)
    assert few.decide(0.02) == "too early"
    assert missing is not None
    times = 1 + missing // 100
    enough = gains * (times + 1)
    assert Contest.beside(enough, enough, [0.1] * len(enough), ALPHA).decide(0.02) == "better"
