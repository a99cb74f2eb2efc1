"""Words are counted as scikit-learn's `HashingVectorizer` counts them, and without it."""

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer

from models.terms import COLUMNS, TermIndex, _count
from tests.conftest import ROOT

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
TICKETS = st.lists(st.lists(WORDS, max_size=30).map(" ".join) | st.text(), max_size=6)


def counted(texts: list[str]) -> csr_matrix:
    """By scikit-learn; up to 255, as is kept."""
    words = HashingVectorizer(n_features=COLUMNS, alternate_sign=False, norm=None, dtype=np.float32)
    counts = words.transform(texts)
    counts.data = np.minimum(counts.data, 255)
    counts.sort_indices()
    return counts


def require_same(texts: list[str]) -> None:
    ours, theirs = _count(texts), counted(texts)
    assert ours.shape == theirs.shape
    for part in ("data", "indices", "indptr"):
        mine, other = getattr(ours, part), getattr(theirs, part)
        assert mine.dtype == other.dtype, part
        np.testing.assert_array_equal(mine, other, part)


@given(TICKETS.filter(bool))
def test_columns_and_counts_are_bit_for_bit_those_of_scikit_learn(texts: list[str]) -> None:
    require_same(texts)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "a b c", "İSTANBUL straße ŒUVRE naïve_name", "電話 が 壊れた 😀😀 ٣٤",
        "x1 X1 x1", "again " * 300, "ab" * 25_000,
    ],
)  # fmt: skip
def test_texts_of_every_kind_are_counted_alike(text: str) -> None:
    require_same([text, "between", text])


def test_words_that_meet_in_a_column_count_together() -> None:
    words = [f"word{number}" for number in range(5_000)]
    assert len(_count([" ".join(words)]).indices) < len(words), "some have to meet"
    require_same([" ".join(words)])


def test_no_texts_are_no_rows() -> None:
    assert _count([]).shape == (0, COLUMNS)


def test_the_longest_texts_are_counted_in_a_moment() -> None:
    texts = [
        " ".join(f"{number:04}" for number in range(10_000)),
        "ä" * 50_000,
        "ab " * 16_000,
    ]
    for text in texts:
        began = time.process_time()
        _count([text])
        assert time.process_time() - began < 1


def test_asking_for_words_does_not_load_scikit_learn() -> None:
    code = (
        "import sys; from models.terms import TermIndex;"
        "TermIndex.build(['disk full', 'login']).similarities(['disk']);"
        "sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_text_is_nearest_to_itself() -> None:
    found = TermIndex.build(["disk full", "login fails"]).similarities(["login fails"])
    assert found.argmax() == 1
