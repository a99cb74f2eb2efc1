"""The reader of terms gives what scikit-learn's vectorisers give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from models.term_features import LONGEST, TermReader, Terms, grams_of

TEXTS = [
    "The VPN drops every hour, please fix the VPN",
    "vpn tunnel broken since monday: error 0x80070005",
    "Rechnung über 12 € ist falsch, straße",
    "ticket a b c",
    "invoice-number is wrong wrong wrong",
]


def read_by_sklearn(words: tuple[int, int], characters: tuple[int, int]):
    kinds = [
        TfidfVectorizer(ngram_range=words, sublinear_tf=True, dtype=np.float32),
        TfidfVectorizer(
            analyzer="char_wb", ngram_range=characters, sublinear_tf=True, dtype=np.float32
        ),
    ]
    for kind in kinds:
        kind.fit(TEXTS)
    return kinds


def reader_of(kinds) -> TermReader:
    return TermReader(
        *(
            Terms(*kind.ngram_range, dict(kind.vocabulary_), kind.idf_.astype(np.float32))
            for kind in kinds
        )
    )


KINDS = read_by_sklearn((1, 2), (3, 5))
READER = reader_of(KINDS)


def expected(kinds, texts):
    found = hstack([kind.transform(texts) for kind in kinds]).tocsr()
    found.sort_indices()
    return found


@given(st.lists(st.text(max_size=120) | st.sampled_from(TEXTS), max_size=4))
def test_any_text_gets_the_vector_of_scikit_learn(texts):
    found = READER.encode(texts)
    if not texts:
        assert found.shape == (0, READER.width)
        return
    wanted = expected(KINDS, texts)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert np.array_equal(found.indices, wanted.indices)
    assert np.array_equal(found.indptr, wanted.indptr)
    assert np.allclose(found.data, wanted.data, atol=1e-6)


@pytest.mark.parametrize(("words", "characters"), [((1, 1), (1, 3)), ((2, 3), (5, 5))])
def test_other_lengths_of_n_grams_are_read_too(words, characters):
    kinds = read_by_sklearn(words, characters)
    found, wanted = reader_of(kinds).encode(TEXTS), expected(kinds, TEXTS)
    assert np.array_equal(found.toarray() > 0, wanted.toarray() > 0)
    assert np.allclose(found.toarray(), wanted.toarray(), atol=1e-6)


def test_a_second_reading_gives_the_same():
    first, second = READER.encode(TEXTS), READER.encode(TEXTS)
    assert np.array_equal(first.toarray(), second.toarray())


def test_words_are_remembered_and_long_ones_are_not():
    reader = reader_of(KINDS)
    assert reader.word("vpn") is reader.word("vpn")
    long = "x" * (LONGEST + 1)
    assert reader.word(long) is not reader.word(long)


def test_a_word_shorter_than_an_n_gram_gives_itself_once():
    assert grams_of(" a ", 3, 5) == [" a "]
    assert grams_of(" ab ", 3, 5) == [" ab", "ab ", " ab "]
