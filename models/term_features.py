"""A text as its terms: TF-IDF of words and of characters, and which word brings in which term.

The values are those of scikit-learn's `TfidfVectorizer(sublinear_tf=True)`, one of words and one of
characters (`char_wb`), each of length 1: (1 + ln count) times the term's idf. Serving does without
scikit-learn, which takes a second to import and 100 MB, and the terms of a word are remembered,
because tickets are written in the same words (0.12 instead of 0.33 ms for a ticket of
it-service-tickets, 2,000 at once).
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Columns = NDArray[np.int32]
N = TypeVar("N", bound=np.generic)

REMEMBERED = 32_768
"""Words whose terms are remembered; with 30 columns each they take some 10 MB."""

LONGEST = 40
"""Characters of a word that is remembered, at most: longer ones hardly come twice."""

TOKENS = re.compile(r"(?u)\b\w\w+\b")
"""What scikit-learn takes for a token."""


class Terms(NamedTuple):
    """The n-grams of one kind that count.

    Attributes
    ----------
    low, high : shortest and longest n-gram
    columns : n-gram -> its column
    idf : weight of each, shape (n_terms,)
    """

    low: int
    high: int
    columns: Mapping[str, int]
    idf: NDArray[np.float32]


class Word(NamedTuple):
    """One word as it stands between blanks: the tokens within it, the columns of its n-grams of
    characters, one entry for each place."""

    tokens: tuple[str, ...]
    characters: Columns


class TermReader:
    """Reads texts as vectors of TF-IDF; safe to ask from several threads.

    Parameters
    ----------
    words, characters : the n-grams that count; columns of the latter come after those of the former
    """

    def __init__(self, words: Terms, characters: Terms) -> None:
        self.words = words
        self.characters = characters
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._read)

    @property
    def width(self) -> int:
        """Columns of a vector."""
        return len(self.words.idf) + len(self.characters.idf)

    def split(self, text: str) -> list[str]:
        """The words of a text between blanks, in lower case."""
        return text.lower().split()

    def word(self, written: str) -> Word:
        """What one of them brings in."""
        return self._read(written) if len(written) > LONGEST else self._remembered(written)

    def encode(self, texts: Sequence[str]) -> csr_matrix:
        """One vector per text, shape (n, width), in single precision, indices sorted."""
        columns: list[Columns] = []
        values: list[NDArray[np.float32]] = []
        for text in texts:
            words = [self.word(written) for written in self.split(text)]
            tokens = [token for word in words for token in word.tokens]
            kinds = (
                (self._in_words(tokens), self.words, 0),
                (joined([word.characters for word in words]), self.characters, len(self.words.idf)),
            )
            for found, terms, offset in kinds:
                named, weights = _weigh(found, terms.idf)
                columns.append(named + offset)
                values.append(weights)
        ends = np.cumsum([0, *(len(found) for found in columns)])[::2]
        return csr_matrix(
            (_together(values, np.float32), _together(columns, np.int32), ends),
            shape=(len(texts), self.width),
        )

    def _in_words(self, tokens: Sequence[str]) -> Columns:
        """Columns of the n-grams of words, one entry for each place."""
        known = self.words.columns.get
        found = [
            known(" ".join(tokens[i : i + n]))
            for n in range(self.words.low, self.words.high + 1)
            for i in range(len(tokens) - n + 1)
        ]
        return np.array([column for column in found if column is not None], dtype=np.int32)

    def _read(self, written: str) -> Word:
        known = self.characters.columns.get
        grams = grams_of(f" {written} ", self.characters.low, self.characters.high)
        found = [column for column in map(known, grams) if column is not None]
        return Word(tuple(TOKENS.findall(written)), np.array(found, dtype=np.int32))


def grams_of(word: str, low: int, high: int) -> list[str]:
    """Character n-grams of one padded word as scikit-learn's `char_wb` takes them.

    A word no longer than n gives itself once, and no longer n-grams.
    """
    grams = []
    for n in range(low, high + 1):
        grams += [word[i : i + n] for i in range(max(1, len(word) - n + 1))]
        if len(word) <= n:
            break
    return grams


def joined(parts: Sequence[Columns]) -> Columns:
    """Columns one after the other, also of no word at all."""
    return _together(parts, np.int32)


def _together(parts: Sequence[NDArray[N]], kind: type[N]) -> NDArray[N]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)


def _weigh(places: Columns, idf: NDArray[np.float32]) -> tuple[Columns, NDArray[np.float32]]:
    """The columns that occur, in order, with their values; together of length 1."""
    columns, counts = np.unique(places, return_counts=True)
    values = (1 + np.log(counts.astype(np.float32))) * idf[columns]
    length = float(np.sqrt(np.square(values, dtype=np.float64).sum())) or 1.0
    return columns, (values / np.float32(length)).astype(np.float32)
