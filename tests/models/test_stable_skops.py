"""The bytes of a stored estimator say whether it is the same one."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import skops.io
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from models.stable_skops import stabilise

ROOT = Path(__file__).parents[2]
FIT = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import skops.io
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from models.stable_skops import stabilise
texts = ["file network", "printer jam", "__id__ _stop_words_id"]
vectoriser = TfidfVectorizer().fit(texts)
head = LogisticRegression().fit(vectoriser.transform(texts), [0, 1, 1])
for estimator in (vectoriser, head):
    print(hashlib.sha256(stabilise(skops.io.dumps(estimator))).hexdigest())
"""


def fit_elsewhere() -> str:
    return subprocess.run(
        [sys.executable, "-c", FIT, str(ROOT)], capture_output=True, text=True, check=True
    ).stdout


def test_two_processes_write_the_same_bytes() -> None:
    assert fit_elsewhere() == fit_elsewhere()


def test_another_estimator_has_other_bytes() -> None:
    points = np.eye(3)
    one = LogisticRegression().fit(points, [0, 1, 1])
    other = LogisticRegression().fit(points, [0, 0, 1])
    assert stabilise(skops.io.dumps(one)) != stabilise(skops.io.dumps(other))


def test_a_stabilised_estimator_answers_the_same() -> None:
    texts = ["file network", "printer jam", "__id__ _stop_words_id"]
    vectoriser = TfidfVectorizer(stop_words=["jam"]).fit(texts)
    head = LogisticRegression().fit(vectoriser.transform(texts), [0, 1, 1])
    read = [
        skops.io.loads(stabilise(skops.io.dumps(estimator)), trusted=[])
        for estimator in (vectoriser, head)
    ]
    before, after = vectoriser.transform(texts), read[0].transform(texts)
    np.testing.assert_array_equal(before.toarray(), after.toarray())
    np.testing.assert_array_equal(head.predict_proba(before), read[1].predict_proba(after))


def test_no_time_and_no_address_is_left() -> None:
    head = LogisticRegression().fit(np.eye(2), [0, 1])
    with zipfile.ZipFile(io.BytesIO(stabilise(skops.io.dumps(head)))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert all(len(name.split(".")[0]) == 6 for name in archive.namelist())
