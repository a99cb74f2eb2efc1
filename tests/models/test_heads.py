"""Heads are the logistic regressions they were fitted as, and come back from disk the same."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from data.errors import BundleError, ModelError
from models.heads import FILE, fit_head, load_heads, predict_head, save_heads

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(60, 5)) * (RANDOM.random((60, 5)) < 0.6)
LABELS = {
    2: ["a" if row[0] + row[1] > 0 else "b" for row in FEATURES],
    3: ["abc"[int(np.argmax(row[:3]))] for row in FEATURES],
}
TARGETS = {"queue": ("a", "b", "c")}


@pytest.mark.parametrize("classes", LABELS)
def test_sparse_features_get_one_regression_per_class(classes: int) -> None:
    """What scikit-learn answers, computed by its own classes."""
    features, labels = csr_matrix(FEATURES), LABELS[classes]
    binary = LogisticRegression(C=2.0, solver="liblinear", dual=True, random_state=0, max_iter=1000)
    expected = OneVsRestClassifier(binary).fit(features, labels).predict_proba(features)
    found = predict_head(fit_head(features, labels, 2.0), features)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("classes", LABELS)
def test_dense_features_get_one_regression_of_all_classes(classes: int) -> None:
    labels = LABELS[classes]
    expected = LogisticRegression(C=2.0, max_iter=1000).fit(FEATURES, labels)
    found = predict_head(fit_head(FEATURES, labels, 2.0), FEATURES)
    np.testing.assert_allclose(found, expected.predict_proba(FEATURES), rtol=1e-12)


def test_rows_without_a_label_teach_nothing() -> None:
    labels = [*LABELS[3], None, None]
    features = np.vstack([FEATURES, [[9.0] * 5] * 2])
    with_rows, without = fit_head(features, labels, 1.0), fit_head(FEATURES, LABELS[3], 1.0)
    np.testing.assert_array_equal(with_rows.weights, without.weights)


def test_one_class_is_none_to_tell_apart() -> None:
    with pytest.raises(ModelError, match="at least two classes"):
        fit_head(FEATURES, ["a"] * 60, 1.0)


@pytest.mark.parametrize("features", [FEATURES, csr_matrix(FEATURES)], ids=["dense", "sparse"])
def test_saved_heads_answer_the_same(tmp_path: Path, features: np.ndarray | csr_matrix) -> None:
    head = fit_head(features, LABELS[3], 1.0)
    save_heads({"queue": head}, tmp_path)
    before = (tmp_path / FILE).read_bytes()
    loaded = load_heads(tmp_path, TARGETS)["queue"]
    np.testing.assert_array_equal(predict_head(loaded, features), predict_head(head, features))
    save_heads({"queue": loaded}, tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_head_of_other_classes_is_refused(tmp_path: Path) -> None:
    save_heads({"queue": fit_head(FEATURES, LABELS[3], 1.0)}, tmp_path)
    for classes in (("a", "b"), ("a", "b", "c", "d")):
        with pytest.raises(BundleError, match="classes of queue"):
            load_heads(tmp_path, {"queue": classes})


def test_a_missing_or_damaged_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no heads"):
        load_heads(tmp_path, TARGETS)
    (tmp_path / FILE).write_bytes(b"x")
    with pytest.raises(BundleError, match="holds no heads"):
        load_heads(tmp_path, TARGETS)
    save_heads({}, tmp_path)
    with pytest.raises(BundleError, match="holds no heads"):
        load_heads(tmp_path, TARGETS)
