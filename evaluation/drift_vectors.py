"""Vectors that windows are compared by: a member's, or hashed words where there is none."""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize
from sklearn.random_projection import SparseRandomProjection

ENCODERS = ("embedding", "finetuned")
"""Members whose features are vectors of meaning, the better for drift first: the frozen encoder
does not see the tickets through the classes it learned."""

HASHED = "hashed-words"
DIMENSION = 256
_COLUMNS = 2**16
_SEED = 20261126


class Encoder(Protocol):
    """Anything that makes vectors of texts; every member does."""

    def encode(self, texts: Sequence[str]) -> Any: ...


def encoder_of(members: Collection[str]) -> str:
    """Which of these members makes the vectors, or `HASHED`."""
    return next((name for name in ENCODERS if name in members), HASHED)


def encode_by(
    encoder: str, texts: Sequence[str], member: Callable[[str], Encoder]
) -> NDArray[np.float32]:
    """Vectors (n, d) by an encoder of this name; `member` opens it, if it is one."""
    if encoder == HASHED:
        return hash_vectors(texts)
    return np.asarray(member(encoder).encode(texts), dtype=np.float32)


def hash_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of shape (n, DIMENSION): alike where texts share words.

    Counts enter as 1 + ln, rows of length 1 are projected by a fixed sparse random matrix, which
    keeps distances but for some 6 % (Li, Hastie and Church, "Very sparse random projections", KDD
    2006). Two windows are so compared where no encoder is at hand, in about 1 s per 10,000 texts.
    """
    counts = HashingVectorizer(
        n_features=_COLUMNS, alternate_sign=False, norm=None, dtype=np.float32
    ).transform(texts)
    counts.data = 1 + np.log(counts.data)
    vectors: NDArray[np.float32] = _projection().transform(normalize(counts)).astype(np.float32)
    return vectors


@cache
def _projection() -> SparseRandomProjection:
    projection = SparseRandomProjection(DIMENSION, dense_output=True, random_state=_SEED)
    return projection.fit(np.zeros((1, _COLUMNS), dtype=np.float32))
