"""Which words moved the answer: the linear member's score taken apart, word by word."""

import string
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import NotFittedError
from data.schema import WordWeight
from models.heads import Head
from models.linear import LinearMember

MOST_WORDS = 5
"""Words named per answer: more is no longer read."""

_MARKS = string.punctuation


class WordExplainer:
    """Tells how much each word of a text added to the linear member's score of a class.

    The score of a class is a sum over n-grams, so it can be taken apart without loss: the share of
    an n-gram is divided among the words that it covers, and among its places where it occurs more
    than once. What is told is the score of the class less the mean score of all classes; the
    weights of all words and the intercept add up to it. It explains the linear member alone, not
    the networks beside it: of all members only this one is a sum over words.

    Parameters
    ----------
    member : fitted; its vocabulary and heads are read, never changed
    """

    def __init__(self, member: LinearMember) -> None:
        if not member.targets_:
            raise NotFittedError("LinearMember")
        self._words, self._characters = member._vectorisers
        self._read = self._words.build_preprocessor()
        self._tokens = self._words.build_tokenizer()
        self._idf = (self._words.idf_, self._characters.idf_)
        self._contrast: dict[str, NDArray[np.float64]] = {}
        for target, head in member._heads.items():
            coefficients = _coefficients(head)  # (k, n_features)
            self._contrast[target] = coefficients - coefficients.mean(axis=0)

    def explain(
        self, text: str, labels: Mapping[str, int], most: int = MOST_WORDS
    ) -> dict[str, tuple[WordWeight, ...]]:
        """Target -> the words that speak for its label, the weightiest first.

        Parameters
        ----------
        text : as the member reads it
        labels : target -> position of the class to explain
        """
        shares = self._shares(text)
        explained = {}
        for target, position in labels.items():
            weights = self._weigh(shares, target, position)
            order = np.argsort(-weights, kind="stable")[:most]
            explained[target] = tuple(
                WordWeight(word=shares.names[row], weight=round(float(weights[row]), 3))
                for row in order
                if weights[row] > 0
            )
        return explained

    def weights(self, text: str, target: str, position: int) -> dict[str, float]:
        """Word -> what all its occurrences add to the score of a class, in log-odds."""
        shares = self._shares(text)
        return dict(zip(shares.names, self._weigh(shares, target, position).tolist(), strict=True))

    def _weigh(self, shares: "_Shares", target: str, position: int) -> NDArray[np.float64]:
        """What each word adds to the score of a class, shape (n_words,)."""
        added = shares.values * self._contrast[target][position][shares.columns]
        return np.bincount(shares.owners, added, len(shares.names)).astype(np.float64)

    def _shares(self, text: str) -> "_Shares":
        """Which part of which feature's value each word brings in."""
        written = [(word, word.strip(_MARKS) or word) for word in self._read(text).split()]
        owner: dict[str, int] = {}
        for _, name in written:
            owner.setdefault(name, len(owner))
        tokens, names = [], []
        for word, name in written:
            parts = self._tokens(word)
            tokens += parts
            names += [owner[name]] * len(parts)
        places = _Places()
        low, high = self._words.ngram_range
        known = self._words.vocabulary_
        for n in range(low, high + 1):
            for i in range(len(tokens) - n + 1):
                column = known.get(" ".join(tokens[i : i + n]))
                if column is not None:
                    places.add(column, names[i : i + n])
        by_words = places.shares(self._idf[0], 0)
        places, known = _Places(), self._characters.vocabulary_
        low, high = self._characters.ngram_range
        for word, name in written:
            found = map(known.get, _grams_of(f" {word} ", low, high))
            places.add_alone([column for column in found if column is not None], owner[name])
        by_characters = places.shares(self._idf[1], len(self._words.vocabulary_))
        joined = (np.concatenate(pair) for pair in zip(by_words, by_characters, strict=True))
        return _Shares(list(owner), *joined)


class _Shares(NamedTuple):
    """Parts of features: `values[i]` of feature `columns[i]` is brought in by word `owners[i]`."""

    names: list[str]
    columns: NDArray[np.int64]
    owners: NDArray[np.int64]
    values: NDArray[np.float64]


class _Places:
    """Where n-grams of one kind occur, and which words each covers there."""

    def __init__(self) -> None:
        self._columns: list[int] = []
        self._owners: list[int] = []
        self._covered: list[int] = []

    def add(self, column: int, owners: Sequence[int]) -> None:
        """Note one place of an n-gram."""
        for owner in owners:
            self._columns.append(column)
            self._owners.append(owner)
            self._covered.append(len(owners))

    def add_alone(self, columns: Sequence[int], owner: int) -> None:
        """Note n-grams that cover one word, one place each."""
        self._columns += columns
        self._owners += [owner] * len(columns)
        self._covered += [1] * len(columns)

    def shares(
        self, idf: NDArray[np.float64], offset: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Columns, owners, and the TF-IDF value of each n-gram divided among its words.

        The value is (1 + ln of its places) times idf, all values together of length 1.
        """
        columns = np.array(self._columns, dtype=np.int64)
        each = 1 / np.array(self._covered, dtype=np.float64)
        kinds, inverse = np.unique(columns, return_inverse=True)
        places = np.bincount(inverse, each, minlength=len(kinds))
        values = (1 + np.log(np.maximum(places, 1))) * idf[kinds]
        norm = float(np.sqrt((values**2).sum())) or 1.0
        told = (values / norm / np.maximum(places, 1))[inverse] * each
        return columns + offset, np.array(self._owners, dtype=np.int64), told


def _grams_of(word: str, low: int, high: int) -> list[str]:
    """Character n-grams of one padded word as scikit-learn's `char_wb` takes them.

    A word no longer than n gives itself once, and no longer n-grams.
    """
    grams = []
    for n in range(low, high + 1):
        grams += [word[i : i + n] for i in range(max(1, len(word) - n + 1))]
        if len(word) <= n:
            break
    return grams


def _coefficients(head: Head) -> NDArray[np.float64]:
    """Weights of the features per class, shape (k, n_features)."""
    weights = head.weights.T
    # Two classes share one row: it speaks for the second of them.
    return np.vstack([-weights, weights]) if len(weights) == 1 else weights
