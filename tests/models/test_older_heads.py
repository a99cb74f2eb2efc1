"""Heads that were kept as skops files answer as they did, and nothing else is taken for one."""

from pathlib import Path

import numpy as np
import pytest
import skops.io
from scipy.sparse import csr_matrix
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

from data.errors import BundleError
from models.heads import load_heads, predict_head

FEATURES = np.random.default_rng(0).normal(size=(60, 5))
LABELS = ["abc"[int(np.argmax(row[:3]))] for row in FEATURES]
TARGETS = {"queue": ("a", "b", "c")}


@pytest.mark.parametrize("apart", [True, False])
def test_a_head_in_skops_answers_as_it_did(tmp_path: Path, apart: bool) -> None:
    head = OneVsRestClassifier(LogisticRegression()) if apart else LogisticRegression()
    features = csr_matrix(FEATURES) if apart else FEATURES
    head.fit(features, LABELS)
    (tmp_path / "head-0.skops").write_bytes(skops.io.dumps(head))
    found = predict_head(load_heads(tmp_path, TARGETS)["queue"], features)
    np.testing.assert_allclose(found, head.predict_proba(features), rtol=1e-12)


def test_what_is_no_head_of_these_classes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head-0.skops"
    for other, reason in (
        (LinearRegression().fit(FEATURES, range(60)), "LinearRegression, not a head"),
        (StandardScaler().fit(FEATURES), "StandardScaler, not a head"),
        (LogisticRegression().fit(FEATURES, ["a", "b"] * 30), "classes of its target"),
    ):
        path.write_bytes(skops.io.dumps(other))
        with pytest.raises(BundleError, match=reason):
            load_heads(tmp_path, TARGETS)
    path.write_bytes(b"no skops")
    with pytest.raises(BundleError, match="cannot be read"):
        load_heads(tmp_path, TARGETS)
