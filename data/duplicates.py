"""Tickets that say the same: exact copies and near-duplicates, gathered into groups."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray
from tqdm import tqdm

_WORD = re.compile(r"\w+")

# Shingles that two texts share by chance of hashing are one in 2**32 pairs; MinHash works modulo a
# Mersenne prime above 2**32 and keeps 32 bits.
_BITS = np.uint64((1 << 32) - 1)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, Knuth vol. 3, 6.4

_LSH_WEIGHTS = (0.01, 0.99)
"""Missed pairs weigh more than false ones, since every candidate is verified exactly."""


class Groups:
    """Disjoint sets of positions (union-find with path halving).

    Parameters
    ----------
    size : positions 0 .. size - 1, at first each alone
    """

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, position: int) -> int:
        """The smallest position of the set."""
        parent = self._parent
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    def join(self, one: int, other: int) -> None:
        one, other = self.find(one), self.find(other)
        self._parent[max(one, other)] = min(one, other)

    def join_equal(self, keys: Iterable[str | None]) -> None:
        """Join the positions that carry the same key; None joins nothing."""
        first: dict[str, int] = {}
        for position, key in enumerate(keys):
            if key is not None:
                self.join(first.setdefault(key, position), position)

    def roots(self) -> NDArray[np.int64]:
        """For each position the smallest position of its set, shape (size,)."""
        return np.array([self.find(p) for p in range(len(self._parent))], dtype=np.int64)


def copy_keys(texts: Sequence[str]) -> list[str]:
    """A key per text, equal where texts differ in nothing but case, blanks and punctuation."""
    return [
        hashlib.sha256(" ".join(_WORD.findall(text.lower()) or [text]).encode()).hexdigest()
        for text in texts
    ]


def join_near_duplicates(
    groups: Groups,
    texts: Sequence[str],
    threshold: float,
    permutations: int,
    shingle: int,
    seed: int,
) -> int:
    """Join texts whose sets of word shingles have a Jaccard index of at least `threshold`.

    Candidates come from MinHash with locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman,
    Ullman, "Mining of Massive Datasets", chapter 3) and are verified on the sets themselves, so a
    false candidate joins nothing. A pair at the threshold can be missed: with 64 permutations and
    0.9 the hashes fall into 8 bands of 8, which find 1 - (1 - 0.9**8)**8 = 0.989 of the pairs of
    exactly 0.9.

    Parameters
    ----------
    texts : shape (n,); exact copies are welcome and cost little
    shingle : words per shingle; a shorter text is one shingle

    Returns
    -------
    the number of pairs joined, copies not counted
    """
    keys = copy_keys(texts)
    groups.join_equal(keys)
    first = {key: position for position, key in reversed(list(enumerate(keys)))}
    distinct = sorted(first.values())
    shingles = shingle_sets([texts[position] for position in distinct], shingle)
    lsh = MinHashLSH(threshold=threshold, num_perm=permutations, weights=_LSH_WEIGHTS)
    hashes = MinHash.generator(
        shingles, num_perm=permutations, seed=seed % 2**32, hashfunc=_already_hashed
    )
    joined = 0
    progress = tqdm(
        zip(distinct, shingles, hashes, strict=True), total=len(distinct), desc="near-duplicates"
    )
    by_position = dict(zip(distinct, shingles, strict=True))
    for position, own, minhash in progress:
        for other in sorted(lsh.query(minhash)):
            if groups.find(other) == groups.find(position):
                continue
            if _jaccard(own, by_position[other]) >= threshold:
                groups.join(other, position)
                joined += 1
        lsh.insert(position, minhash)
    return joined


def _already_hashed(value: Any) -> Any:
    return value


def shingle_sets(texts: Sequence[str], size: int) -> list[NDArray[np.uint64]]:
    """Sorted distinct 32-bit hashes of the word shingles of each text, `size` words each."""
    words: dict[str, int] = {}
    result = []
    for text in texts:
        found = _WORD.findall(text.lower()) or [text]
        numbers = [
            words.setdefault(word, _hash(word)) if word not in words else words[word]
            for word in found
        ]
        hashes = np.array(numbers, dtype=np.uint64)  # (n_words,)
        width = min(size, len(hashes))
        count = len(hashes) - width + 1
        mixed = np.zeros(count, dtype=np.uint64)
        for offset in range(width):
            mixed = (mixed ^ hashes[offset : offset + count]) * _MULTIPLIER
            mixed ^= mixed >> np.uint64(29)
        result.append(np.unique(mixed & _BITS))
    return result


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


def _jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    shorter, longer = sorted((len(one), len(other)))
    common = shorter and len(np.intersect1d(one, other, assume_unique=True))
    return common / (shorter + longer - common)
