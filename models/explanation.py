"""Which words moved the answer: the linear member's score taken apart, word by word."""

import string
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.schema import WordWeight
from models.linear import LinearMember
from models.term_features import Columns, joined

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
        self._reader = member.reader
        self._heads = member.heads

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
        weights = self._heads[target].weights[shares.columns]  # (n_parts, k)
        if weights.shape[1] == 1:  # two classes share one column: it speaks for the second of them
            contrast = weights[:, 0] * (position - 0.5) * 2
        else:
            contrast = weights[:, position] - weights.mean(axis=1)
        added = np.bincount(shares.owners, shares.values * contrast, len(shares.names))
        return added.astype(np.float64)

    def _shares(self, text: str) -> "_Shares":
        """Which part of which feature's value each word brings in."""
        reader = self._reader
        written = reader.split(text)
        owner: dict[str, int] = {}
        names = [owner.setdefault(w.strip(_MARKS) or w, len(owner)) for w in written]
        words = [reader.word(one) for one in written]
        tokens = [token for word in words for token in word.tokens]
        owners = [name for word, name in zip(words, names, strict=True) for _ in word.tokens]
        by_words = self._of_words(tokens, owners)
        counts = [len(word.characters) for word in words]
        by_characters = _Places(
            joined([word.characters for word in words]),
            np.repeat(np.array(names, dtype=np.int64), counts),
            np.ones(sum(counts)),
        )
        offset = len(reader.words.idf)
        return _Shares(
            list(owner),
            np.concatenate([by_words.columns, by_characters.columns + offset]),
            np.concatenate([by_words.owners, by_characters.owners]),
            np.concatenate(
                [by_words.shares(reader.words.idf), by_characters.shares(reader.characters.idf)]
            ),
        )

    def _of_words(self, tokens: Sequence[str], owners: Sequence[int]) -> "_Places":
        """Where n-grams of words occur: an entry for each place and each word that it covers."""
        terms = self._reader.words
        columns: list[int] = []
        covered: list[int] = []
        parts: list[float] = []
        for n in range(terms.low, terms.high + 1):
            for i in range(len(tokens) - n + 1):
                column = terms.columns.get(" ".join(tokens[i : i + n]))
                if column is not None:
                    columns += [column] * n
                    covered += owners[i : i + n]
                    parts += [1 / n] * n
        return _Places(
            np.array(columns, dtype=np.int32),
            np.array(covered, dtype=np.int64),
            np.array(parts, dtype=np.float64),
        )


class _Shares(NamedTuple):
    """Parts of features: `values[i]` of feature `columns[i]` is brought in by word `owners[i]`."""

    names: list[str]
    columns: NDArray[np.int64]
    owners: NDArray[np.int64]
    values: NDArray[np.float64]


class _Places(NamedTuple):
    """Where n-grams of one kind occur: an entry for each place and each word covered there.

    Attributes
    ----------
    columns, owners : of the n-gram, and of the word; shape (n_entries,)
    parts : of the place that falls to the word, 1 over the number of words covered
    """

    columns: Columns
    owners: NDArray[np.int64]
    parts: NDArray[np.float64]

    def shares(self, idf: NDArray[np.float32]) -> NDArray[np.float64]:
        """The TF-IDF value of each n-gram divided among its words, shape (n_entries,).

        The value is (1 + ln of its places) times idf, all values together of length 1.
        """
        kinds, inverse = np.unique(self.columns, return_inverse=True)
        places = np.maximum(np.bincount(inverse, self.parts, minlength=len(kinds)), 1)
        values = (1 + np.log(places)) * idf[kinds]
        norm = float(np.sqrt((values**2).sum())) or 1.0
        told: NDArray[np.float64] = (values / norm / places)[inverse] * self.parts
        return told
