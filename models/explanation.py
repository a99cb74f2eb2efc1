"""Which words moved the answer: the linear member's score taken apart, word by word."""

import string
from collections import defaultdict
from collections.abc import Mapping, Sequence

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
        return {
            target: tuple(
                WordWeight(word=word, weight=round(weight, 3))
                for word, weight in sorted(
                    self._weights(shares, target, position).items(), key=lambda found: -found[1]
                )[:most]
                if weight > 0
            )
            for target, position in labels.items()
        }

    def weights(self, text: str, target: str, position: int) -> dict[str, float]:
        """Word -> what all its occurrences add to the score of a class, in log-odds."""
        return self._weights(self._shares(text), target, position)

    def _weights(
        self, shares: Mapping[str, Mapping[int, float]], target: str, position: int
    ) -> dict[str, float]:
        contrast = self._contrast[target][position]
        return {
            word: float(sum(contrast[column] * value for column, value in columns.items()))
            for word, columns in shares.items()
        }

    def _shares(self, text: str) -> dict[str, dict[int, float]]:
        """Word -> column -> the part of that feature's value which the word brings in."""
        words: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        written = [(word, word.strip(_MARKS) or word) for word in self._read(text).split()]
        tokens = [(token, name) for word, name in written for token in self._tokens(word)]
        low, high = self._words.ngram_range
        grams = [
            (" ".join(token for token, _ in covered), tuple(name for _, name in covered))
            for n in range(low, high + 1)
            for covered in (tokens[i : i + n] for i in range(len(tokens) - n + 1))
        ]
        self._add(words, grams, self._words.vocabulary_, self._idf[0], 0)
        low, high = self._characters.ngram_range
        grams = [
            (gram, (name,)) for word, name in written for gram in _grams_of(f" {word} ", low, high)
        ]
        offset = len(self._words.vocabulary_)
        self._add(words, grams, self._characters.vocabulary_, self._idf[1], offset)
        return words

    def _add(
        self,
        words: dict[str, dict[int, float]],
        grams: Sequence[tuple[str, tuple[str, ...]]],
        vocabulary: Mapping[str, int],
        idf: NDArray[np.float64],
        offset: int,
    ) -> None:
        """Divide the TF-IDF value of each n-gram among the words of its places."""
        places: dict[int, list[tuple[str, ...]]] = defaultdict(list)
        for gram, covered in grams:
            column = vocabulary.get(gram)
            if column is not None:
                places[column].append(covered)
        values = {c: (1 + np.log(len(found))) * idf[c] for c, found in places.items()}
        norm = float(np.sqrt(sum(value**2 for value in values.values()))) or 1.0
        for column, found in places.items():
            each = values[column] / norm / len(found)
            for covered in found:
                for word in covered:
                    words[word][column + offset] += each / len(covered)


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
    estimators = getattr(head, "estimators_", None)
    rows = np.vstack([e.coef_ for e in estimators]) if estimators else head.coef_
    weights = np.asarray(rows, dtype=np.float64)
    # Two classes share one row: it speaks for the second of them.
    return np.vstack([-weights, weights]) if len(weights) == 1 else weights
