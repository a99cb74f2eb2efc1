"""What a word shows of itself: its letters' case and form, and what it was in training.

The encoder reads lower case; these features give it the case back, and the memory of the training
words beside it.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HASH_ROWS = 5000
"""Rows of each table of hashed word parts; two rows are added for each part, so that two parts
seldom share both (Bloom embeddings, Serrà and Karatzoglou, RecSys 2017)."""

CHARACTERS = 24
"""Characters of a word that are read one by one: its first 16 and its last 8."""
_HEAD, _TAIL = 16, 8

_SIGNS = "._-/\\():#@$%<>=*&+'\"{}[],;"

REMEMBERED = 32_768
"""Words whose features are kept: most words of a text were in the texts before."""

LEAST_SEEN = 3
"""Times that a training word must have been seen, however written, to be known as no name."""

MOST_NAMES = 0.02
"""Share of its times that such a word may have been part of a name all the same."""

ALPHABET = 160
"""Codes of characters: 0 none, 1 to 95 printable ASCII, the rest by hash of the character."""


def hash_parts(word: str) -> tuple[int, ...]:
    """Rows of the tables for the word itself, its norm, three prefixes and suffixes, its shape.

    Shape (PARTS * 2,); each in [0, HASH_ROWS).
    """
    norm = word.lower()
    parts = (
        word, norm, norm[:2], norm[:4], norm[-2:], norm[-4:], shape_of(word),
    )  # fmt: skip
    return tuple(
        zlib.crc32(part.encode("utf-8", "surrogatepass"), seed) % HASH_ROWS
        for kind, part in enumerate(parts)
        for seed in (kind, kind + 97)
    )


def shape_of(word: str) -> str:
    """The word with X for capitals, x for other letters, d for digits; runs cut at three."""
    shape = ""
    for character in word[:64]:
        sign = character
        if character.isalpha():
            sign = "X" if character.isupper() else "x"
        elif character.isdigit():
            sign = "d"
        if shape[-3:] != sign * 3:
            shape += sign
    return shape


def flags_of(word: str) -> tuple[float, ...]:
    """Facts of a word's form, each in [0, 1]; shape (FLAGS,)."""
    letters = [c for c in word[:256] if c.isalpha()]
    upper = sum(c.isupper() for c in letters)
    digits = sum(c.isdigit() for c in word[:256])
    inner = any(b.isupper() and a.islower() for a, b in pairwise(word[:256]))
    return (
        float(word[:1].isupper()),
        float(bool(letters) and upper == len(letters)),
        float(bool(letters) and upper == 0),
        float(inner),
        upper / max(1, len(letters)),
        float(digits > 0),
        float(word.isdigit()),
        digits / max(1, min(256, len(word))),
        float(not letters and not digits),
        float(word.endswith("()") or ("(" in word and ")" in word)),
        min(len(word), 24) / 24,
        float(not word.isascii()),
        *(float(sign in word) for sign in _SIGNS),
        float("::" in word or "->" in word),
    )


PARTS = len(hash_parts("a")) // 2

FLAGS = len(flags_of("a"))


def characters_of(word: str) -> tuple[int, ...]:
    """Codes of the characters that are read one by one, shape (CHARACTERS,), filled up with 0."""
    read = word if len(word) <= CHARACTERS else word[:_HEAD] + word[-_TAIL:]
    codes = [_code(character) for character in read]
    return (*codes, *[0] * (CHARACTERS - len(codes)))


def _code(character: str) -> int:
    point = ord(character)
    if 32 < point < 127:
        return point - 31
    return 96 + point % (ALPHABET - 96)


class Form(NamedTuple):
    """What a word shows of itself; shapes (PARTS * 2,), (FLAGS,) and (CHARACTERS,)."""

    hashes: NDArray[np.int64]
    flags: NDArray[np.float32]
    characters: NDArray[np.int64]


@lru_cache(maxsize=REMEMBERED)
def form_of(word: str) -> Form:
    """Hashed parts, flags and characters of a word."""
    return Form(
        np.array(hash_parts(word), dtype=np.int64),
        np.array(flags_of(word), dtype=np.float32),
        np.array(characters_of(word), dtype=np.int64),
    )


class Lexicon:
    """How often each training word was part of which kind of entity.

    Parameters
    ----------
    labels : kinds of entities, in column order; "no entity" is a column of its own behind them
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.counts: dict[str, NDArray[np.float32]] = {}
        self._own: dict[tuple[str, str], NDArray[np.float32]] = {}
        self._features = lru_cache(maxsize=REMEMBERED)(self._count)
        self._names = lru_cache(maxsize=REMEMBERED)(self._may_name)

    @property
    def width(self) -> int:
        """Features of a word: shares by its exact form and by its norm, and how often it was."""
        return 2 * (len(self.labels) + 2)

    def fit(
        self,
        words: Iterable[Sequence[str]],
        kinds: Iterable[Sequence[str]],
        groups: Iterable[str],
    ) -> "Lexicon":
        """Count; `kinds` holds a label or "" for each word, `groups` one name a sentence."""
        column = {label: i for i, label in enumerate(self.labels)} | {"": len(self.labels)}
        found: dict[str, Counter[int]] = defaultdict(Counter)
        own: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
        for sentence, tagged, group in zip(words, kinds, groups, strict=True):
            for word, kind in zip(sentence, tagged, strict=True):
                for key in _keys(word):
                    found[key][column[kind]] += 1
                    own[group, key][column[kind]] += 1
        self.remember({key: self._dense(count) for key, count in found.items()})
        self._own = {key: self._dense(count) for key, count in own.items()}
        return self

    def remember(self, counts: dict[str, NDArray[np.float32]]) -> None:
        """Take counts of an earlier `fit`."""
        self.counts = counts
        self._features.cache_clear()
        self._names.cache_clear()

    def may_name(self, word: str, kinds: tuple[str, ...]) -> bool:
        """Whether a word may be part of a name of some kinds: one with a capital, unless it is
        known, and known to be none.
        """
        return self._names(word, kinds)

    def features(self, word: str, group: str | None = None) -> NDArray[np.float32]:
        """Shape (width,). With a group of the training data, as if that group had not been there.

        Without it a word of the training data would know its own label, and the network would
        trust the lexicon more than new text allows.
        """
        return self._features(word) if group is None else self._count(word, group)

    def _count(self, word: str, group: str | None = None) -> NDArray[np.float32]:
        rows = []
        for key in _keys(word):
            count = self.counts.get(key)
            if count is None:
                count = np.zeros(len(self.labels) + 1, dtype=np.float32)
            if group is not None and (own := self._own.get((group, key))) is not None:
                count = count - own
            total = count.sum()
            rows.append([*(count / (total + 1.0)), np.log1p(total) / 5.0])
        return np.array(rows, dtype=np.float32).reshape(-1)

    def _may_name(self, word: str, kinds: tuple[str, ...]) -> bool:
        if not any(map(str.isupper, word)):
            return False
        count = self.counts.get(_keys(word)[1])
        if count is None or count.sum() < LEAST_SEEN:
            return True
        named = sum(count[i] for i, label in enumerate(self.labels) if label in kinds)
        return bool(named > MOST_NAMES * count.sum())

    def _dense(self, count: Counter[int]) -> NDArray[np.float32]:
        dense = np.zeros(len(self.labels) + 1, dtype=np.float32)
        for column, number in count.items():
            dense[column] = number
        return dense


def _keys(word: str) -> tuple[str, str]:
    """The exact form and the norm; the sign keeps the two apart."""
    return f"={word}", f"~{word.lower()}"
