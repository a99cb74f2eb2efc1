"""Heads on disk: they come back the same, and what is no head of these classes is refused."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LinearRegression

from data.errors import BundleError
from models.heads import fit_head, load_heads, predict_head, save_heads, save_sklearn

FEATURES = np.array([[0.0, 1.0], [1.0, 0.0], [0.1, 0.9], [0.9, 0.1]])
LABELS = ["a", "b", "a", "b"]
TARGETS = {"queue": ("a", "b")}


@pytest.mark.parametrize("features", [FEATURES, csr_matrix(FEATURES)], ids=["dense", "sparse"])
def test_saved_heads_answer_the_same(tmp_path: Path, features: np.ndarray | csr_matrix) -> None:
    head = fit_head(features, LABELS, 1.0)
    save_heads({"queue": head}, tmp_path)
    loaded = load_heads(tmp_path, TARGETS)["queue"]
    np.testing.assert_array_equal(predict_head(loaded, features), predict_head(head, features))


def test_another_estimator_is_no_head(tmp_path: Path) -> None:
    other = LinearRegression().fit(FEATURES, [0, 1, 0, 1])
    save_sklearn(other, tmp_path / "head-0.skops")
    with pytest.raises(BundleError, match="LinearRegression, not a head"):
        load_heads(tmp_path, TARGETS)


def test_a_head_of_other_classes_is_refused(tmp_path: Path) -> None:
    save_heads({"queue": fit_head(FEATURES, LABELS, 1.0)}, tmp_path)
    with pytest.raises(BundleError, match="classes of queue"):
        load_heads(tmp_path, {"queue": ("a", "c")})
