"""Differences that are real, and those that are not."""

import numpy as np
import pytest

from evaluation.comparison import compare, mcnemar, paired_bootstrap
from evaluation.intervals import draw_counts
from evaluation.metrics import Outcomes


def system(labels: np.ndarray, wrong: np.ndarray) -> Outcomes:
    answered = np.where(wrong, 1 - labels, labels)
    return Outcomes(labels, np.where(answered[:, None] == [0, 1], 0.8, 0.2))


LABELS = np.tile([0, 1], 100)
COUNTS = draw_counts([str(row) for row in range(200)], 300, seed=1)


def test_a_system_that_mends_twenty_answers_and_spoils_none_is_better() -> None:
    perfect, poor = system(LABELS, np.zeros(200, bool)), system(LABELS, np.arange(200) < 20)
    found = paired_bootstrap(perfect, poor, COUNTS)
    assert found.difference == pytest.approx(0.1)
    assert found.low > 0
    assert found.real
    # All 20 disagreements favour one side: 2 * 0.5 ** 20.
    assert mcnemar(perfect.correct, poor.correct).p_value == pytest.approx(2 * 0.5**20)


def test_a_system_does_not_differ_from_itself() -> None:
    same = system(LABELS, np.arange(200) < 20)
    found = paired_bootstrap(same, same, COUNTS, "macro_f1")
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert not found.real
    assert mcnemar(same.correct, same.correct).p_value == 1.0


def test_mcnemar_counts_each_side() -> None:
    found = mcnemar(np.array([True, True, False, True]), np.array([True, False, True, False]))
    assert (found.only_first, found.only_second) == (2, 1)
    assert found.p_value == 1.0


def test_only_the_same_tickets_can_be_compared() -> None:
    first = system(LABELS, np.zeros(200, bool))
    with pytest.raises(ValueError, match="same tickets"):
        paired_bootstrap(first, system(1 - LABELS, np.zeros(200, bool)), COUNTS)


def test_figures_that_do_not_exist_do_not_differ() -> None:
    same = system(LABELS, np.zeros(200, bool))
    assert np.isnan(paired_bootstrap(same, same, COUNTS, "certified_automation").low)


def test_a_comparison_is_json_ready() -> None:
    found = compare(system(LABELS, np.zeros(200, bool)), system(LABELS, LABELS == 1), COUNTS)
    assert found["accuracy"]["difference"] == pytest.approx(0.5)
    assert set(found) == {"accuracy", "macro_f1", "mcnemar"}
