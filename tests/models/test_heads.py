"""Heads on disk: they come back the same, and what is no head of these classes is refused."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from data.errors import BundleError
from models.heads import fit_head, load_heads, predict_head, save_heads, save_sklearn

FEATURES = np.array([[0.0, 1.0], [1.0, 0.0], [0.1, 0.9], [0.9, 0.1]])
LABELS = ["a", "b", "a", "b"]
TARGETS = {"queue": ("a", "b")}


def test_saved_heads_answer_the_same(tmp_path: Path) -> None:
    head = fit_head(FEATURES, LABELS, 1.0)
    save_heads({"queue": head}, tmp_path)
    loaded = load_heads(tmp_path, TARGETS)["queue"]
    np.testing.assert_array_equal(predict_head(loaded, FEATURES), predict_head(head, FEATURES))


def test_another_estimator_is_no_head(tmp_path: Path) -> None:
    other = LogisticRegression().fit(FEATURES, LABELS)
    save_sklearn(other, tmp_path / "head-0.skops")
    with pytest.raises(BundleError, match="LogisticRegression, not a head"):
        load_heads(tmp_path, TARGETS)


def test_a_head_of_other_classes_is_refused(tmp_path: Path) -> None:
    save_heads({"queue": fit_head(FEATURES, LABELS, 1.0)}, tmp_path)
    with pytest.raises(BundleError, match="classes of queue"):
        load_heads(tmp_path, {"queue": ("a", "c")})
