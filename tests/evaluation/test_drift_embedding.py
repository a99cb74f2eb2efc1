"""Two sets of vectors: told apart where they differ, and by chance only as often as promised."""

import time

import numpy as np
import pytest

from evaluation.drift_embedding import compare_vectors


def cloud(random: np.random.Generator, n: int, d: int = 16) -> np.ndarray:
    return random.standard_normal((n, d)).astype(np.float32)


def test_p_values_of_equal_clouds_are_uniform_or_larger() -> None:
    random = np.random.default_rng(0)
    found = [compare_vectors(cloud(random, 40, 6), cloud(random, 60, 6), i) for i in range(100)]
    for values in ([one.auc_p for one in found], [one.mmd_p for one in found]):
        for level in (0.05, 0.2, 0.5):
            share = float((np.array(values) <= level).mean())
            assert share <= level + 3 * np.sqrt(level * (1 - level) / len(values))
            assert share >= level - 3.5 * np.sqrt(level * (1 - level) / len(values))


def test_p_values_hold_for_windows_of_unlike_size_and_skewed_vectors() -> None:
    random = np.random.default_rng(1)
    draws = [
        compare_vectors(random.exponential(size=(120, 6)), random.exponential(size=(30, 6)), i)
        for i in range(60)
    ]
    assert np.mean([one.auc_p <= 0.05 for one in draws]) <= 0.14
    assert np.mean([one.mmd_p <= 0.05 for one in draws]) <= 0.14


def test_a_moved_mean_is_seen_by_both() -> None:
    random = np.random.default_rng(2)
    found = compare_vectors(cloud(random, 400), cloud(random, 300) + 0.4, 3)
    assert found.auc > 0.7
    assert found.auc_p < 1e-6
    assert found.mmd > 0.1
    assert found.mmd_p < 1e-6


def test_another_spread_around_the_same_mean_is_seen_by_the_mmd_alone() -> None:
    random = np.random.default_rng(3)
    found = compare_vectors(cloud(random, 400), 1.6 * cloud(random, 400), 3)
    assert found.auc_p > 0.01
    assert found.mmd_p < 1e-4


def test_the_scores_say_which_rows_are_new() -> None:
    random = np.random.default_rng(4)
    current = cloud(random, 300)
    current[:60] += 1.0
    found = compare_vectors(cloud(random, 500), current, 3)
    assert found.scores.shape == (800,)
    assert found.scores[500:560].mean() > found.scores[560:].mean() + found.scores.std()


def test_the_scores_of_a_row_come_from_a_classifier_that_has_not_seen_it() -> None:
    """With more dimensions than rows, seen rows would be told apart without an error."""
    random = np.random.default_rng(5)
    found = compare_vectors(cloud(random, 60, 300), cloud(random, 60, 300), 3)
    assert 0.3 < found.auc < 0.7


def test_vectors_that_do_not_vary_tell_nothing() -> None:
    same = np.ones((60, 4), dtype=np.float32)
    found = compare_vectors(same, same, 0)
    assert found.auc == 0.5
    assert found.mmd == pytest.approx(0, abs=1e-6)
    assert min(found.auc_p, found.mmd_p) > 0.5


def test_five_thousand_tickets_of_384_dimensions_take_seconds() -> None:
    random = np.random.default_rng(6)
    began = time.process_time()
    compare_vectors(cloud(random, 5_000, 384), cloud(random, 5_000, 384), 0)
    assert time.process_time() - began < 20  # 2 to 3 s on a core of its own
