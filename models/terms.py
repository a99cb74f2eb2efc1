"""The words of past tickets, weighed by how rare they are: TF-IDF without a vocabulary."""

from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import mmh3
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

from data.errors import BundleError
from models.term_features import TOKENS

TERMS = "terms.safetensors"

COLUMNS = 2**20
"""Words are told apart by their hash modulo this; of 50,000 words some 1,200 then meet another."""

_MOST = 255


class TermIndex:
    """Cosines of TF-IDF vectors between texts and those held, exact.

    A word has the weight (1 + ln count) (ln((1 + n) / (1 + n with the word)) + 1), the rows then
    length 1: `TfidfTransformer(sublinear_tf=True)` of scikit-learn. Counts are kept up to 255,
    under the hash of their word and not the word. Whoever guesses a word can look for it, so the
    file is as personal as the tickets; a row taken out leaves no trace.

    Parameters
    ----------
    counts : shape (n, COLUMNS), whole numbers
    """

    def __init__(self, counts: csr_matrix) -> None:
        self._counts = counts
        n = counts.shape[0]
        having = np.bincount(counts.indices, minlength=COLUMNS)
        self._rarity = (np.log((1 + n) / (1 + having)) + 1).astype(np.float32)
        # By word: a query then touches only the tickets that share one with it.
        self._by_word = self._weighed(counts).T.tocsr()

    @classmethod
    def build(cls, texts: Sequence[str]) -> Self:
        """Index of texts, a row each."""
        return cls(_count(texts))

    def __len__(self) -> int:
        return int(self._counts.shape[0])

    def similarities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Cosines in [0, 1], shape (n_texts, n); 0 where no word is shared."""
        found = (self._weighed(_count(texts)) @ self._by_word).toarray()
        cosines: NDArray[np.float32] = np.clip(found, 0, 1)
        return cosines

    def rows(self, rows: NDArray[np.int64]) -> "TermIndex":
        """The index of these rows alone, in this order; the weights are those of them alone."""
        return TermIndex(self._counts[rows])

    def save(self, folder: Path) -> None:
        """Write terms.safetensors."""
        counts = self._counts
        save_file(
            {
                "counts": counts.data.astype(np.uint8),
                "columns": counts.indices.astype(np.int32),
                "starts": counts.indptr.astype(np.int64),
            },
            folder / TERMS,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises BundleError where the file is not what it should be."""
        path = folder / TERMS
        try:
            parts = load_file(path)
            counts, columns, starts = parts["counts"], parts["columns"], parts["starts"]
        except (OSError, KeyError, SafetensorError) as error:
            raise BundleError(f"{path} cannot be read: {type(error).__name__}") from error
        kinds = [part.dtype for part in (counts, columns, starts)]
        if kinds != [np.uint8, np.int32, np.int64] or any(
            part.ndim != 1 for part in parts.values()
        ):
            raise BundleError(f"{path} does not hold counts, columns and starts")
        if (
            len(starts) < 2
            or starts[0] != 0
            or starts[-1] != len(counts)
            or len(columns) != len(counts)
            or (np.diff(starts) < 0).any()
            or (counts == 0).any()
            or ((columns < 0) | (columns >= COLUMNS)).any()
        ):
            raise BundleError(f"{path}: its parts do not fit together")
        shape = (len(starts) - 1, COLUMNS)
        return cls(csr_matrix((counts.astype(np.float32), columns, starts), shape=shape))

    def _weighed(self, counts: csr_matrix) -> csr_matrix:
        weights = counts.copy()
        weights.data = (1 + np.log(weights.data)) * self._rarity[weights.indices]
        owners = np.repeat(np.arange(len(weights.indptr) - 1), np.diff(weights.indptr))
        squares = np.bincount(owners, np.square(weights.data), len(weights.indptr) - 1)
        lengths = np.sqrt(np.where(squares, squares, 1))  # of a row without words: any number
        weights.data = (weights.data / lengths[owners]).astype(np.float32)
        return weights


def _count(texts: Sequence[str]) -> csr_matrix:
    """How often each column occurs: `HashingVectorizer(alternate_sign=False, norm=None)`."""
    counts, columns, starts = array("f"), array("i"), array("q", [0])
    for text in texts:
        found: Counter[int] = Counter()
        for word, times in Counter(TOKENS.findall(text.lower())).items():
            found[abs(mmh3.hash(word.encode())) % COLUMNS] += times
        row = sorted(found)
        columns.extend(row)
        counts.extend(min(found[column], _MOST) for column in row)
        starts.append(len(columns))
    return csr_matrix(
        (
            np.array(counts, dtype=np.float32),
            np.array(columns, dtype=np.int32),
            np.array(starts, dtype=np.int64),
        ),
        shape=(len(texts), COLUMNS),
    )
