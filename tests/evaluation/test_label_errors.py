"""Planted label errors are found."""

import numpy as np
import pandas as pd
import pytest

from evaluation.label_errors import COLUMNS, find_label_errors

Planted = tuple[np.ndarray, np.ndarray, np.ndarray]
CLASSES = ("bug", "never seen", "praise", "wish")


@pytest.fixture
def planted() -> Planted:
    """300 tickets of three classes, ten of them with another label than the right one."""
    generator = np.random.default_rng(0)
    truth = np.tile([0, 2, 3], 100)
    probabilities = generator.dirichlet(np.ones(4) * 0.2, 300)
    probabilities[np.arange(300), truth] += 3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    wrong = generator.choice(300, 10, replace=False)
    labels = truth.copy()
    labels[wrong] = np.where(truth[wrong] == 3, 0, 3)
    return labels, probabilities.astype(np.float32), wrong


def find(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    n = len(labels)
    ids = [f"t{row}" for row in range(n)]
    return find_label_errors(ids, ["train"] * n, "kind", labels, probabilities, CLASSES)


def test_planted_errors_are_found_and_mended(planted: Planted) -> None:
    labels, probabilities, wrong = planted
    found = find(labels, probabilities).set_index("id")
    planted_ids = {f"t{row}" for row in wrong}
    assert len(planted_ids & set(found.index)) >= 9
    assert len(found) <= 15
    worst = found.index[0]
    suspect = found.loc[worst]
    assert worst in planted_ids
    assert suspect["given"] == CLASSES[labels[int(worst[1:])]]
    assert suspect["suggested"] != suspect["given"]
    assert -1 <= suspect["score"] < 0


def test_the_most_suspicious_stand_first(planted: Planted) -> None:
    assert find(*planted[:2])["score"].is_monotonic_increasing


def test_rows_without_label_or_answer_are_left_out(planted: Planted) -> None:
    labels, probabilities, wrong = planted
    labels[wrong[0]] = -1
    probabilities[wrong[1]] = np.nan
    found = set(find(labels, probabilities)["id"])
    assert not found & {f"t{wrong[0]}", f"t{wrong[1]}"}


def test_one_class_alone_cannot_be_wrong() -> None:
    found = find(np.zeros(5, dtype=np.int64), np.full((5, 4), 0.25))
    assert found.empty
    assert tuple(found.columns) == COLUMNS
