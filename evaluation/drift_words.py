"""Words of a window: how many tickets of how many customers hold each, and which became commoner.

Only words of letters are counted, so that no address, number, path or placeholder of
`data.privacy` is one, and only those are told that several customers used.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.utils import murmurhash3_32

from data.privacy import KINDS
from evaluation.drift_report import WordShift

LEAST_TICKETS = 5
LEAST_GROUPS = 3
"""Customers who must have used a word before anybody is told of it."""

KNOWN_BITS = 2**21
"""Words are known by their hash modulo this; of 50,000 known words, 2.4 % of others look known."""

PRIOR_TICKETS = 100.0
"""Weight of the prior on a word's share, in tickets; see `shifted_words`."""

_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+){0,3}")
_EDGES = "\"'`.,;:!?()[]{}<>*_-–—…’“”„«»|/\\~"
_SHORTEST, _LONGEST = 3, 30


def plain_words(text: str) -> list[str]:
    """Words of letters alone, lower-cased, in their order; everything else is passed over."""
    tokens = (token.strip(_EDGES) for token in _PLACEHOLDER.sub(" ", text).split())
    return [
        token.casefold()
        for token in tokens
        if _SHORTEST <= len(token) <= _LONGEST and _WORD.fullmatch(token)
    ]


@dataclass(frozen=True)
class WordCounts:
    """How many of so many tickets hold each word.

    Attributes
    ----------
    groups : word -> in how many customers' tickets
    floor : words in fewer tickets are not among the counts; 1: none is missing
    """

    tickets: int
    counts: Mapping[str, int]
    groups: Mapping[str, int] = field(default_factory=dict)
    floor: int = 1

    def common(self, most: int | None = None) -> "WordCounts":
        """The words that may be told, the `most` common of them."""
        told = {
            word: n
            for word, n in self.counts.items()
            if n >= LEAST_TICKETS and self.groups.get(word, 0) >= LEAST_GROUPS
        }
        kept = sorted(told, key=lambda word: (-told[word], word))[:most]
        floor = told[kept[-1]] if most is not None and len(told) > len(kept) else LEAST_TICKETS
        return WordCounts(
            self.tickets,
            {word: told[word] for word in kept},
            {word: self.groups[word] for word in kept},
            floor,
        )


def count_words(texts: Iterable[Sequence[str]], groups: Sequence[str]) -> WordCounts:
    """Counts over tickets given as lists of words, with the customer of each."""
    counts: Counter[str] = Counter()
    seen: dict[str, set[str]] = {}
    n = 0
    for words, group in zip(texts, groups, strict=True):
        n += 1
        for word in set(words):
            counts[word] += 1
            users = seen.setdefault(word, set())
            if len(users) < LEAST_GROUPS:
                users.add(group)
    return WordCounts(n, dict(counts), {word: len(users) for word, users in seen.items()})


class KnownWords:
    """Words that training has seen, kept as one bit each under their hash.

    Parameters
    ----------
    bits : packed, shape (KNOWN_BITS / 8,), uint8
    """

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self.bits = bits
        self._known = np.unpackbits(bits).astype(np.bool_)

    @classmethod
    def of(cls, counts: WordCounts, least: int = 3) -> "KnownWords":
        """Those in at least so many tickets."""
        known = np.zeros(KNOWN_BITS, dtype=np.bool_)
        places = [_place(word) for word, n in counts.counts.items() if n >= least]
        known[places] = True
        return cls(np.packbits(known))

    def unknown_share(self, words: Sequence[str]) -> float:
        """Share of the words of a ticket that training has not seen; 0 without words."""
        if not words:
            return 0.0
        return float(1 - self._known[[_place(word) for word in words]].mean())


def shifted_words(
    reference: WordCounts, current: WordCounts, most: int = 10, level: float = 0.01
) -> tuple[WordShift, ...]:
    """Words whose share of tickets moved most: the commoner ones first, then the rarer ones.

    Log-odds ratio with an informative prior: Monroe, Colaresi and Quinn, "Fightin' Words",
    Political Analysis 2008, section 3.3, for one word at a time and tickets as trials: the prior is
    a beta distribution around the share in both windows together, worth `PRIOR_TICKETS`. A word is
    told if its z passes `level` with Bonferroni's correction over all words compared, and at least
    `LEAST_TICKETS` tickets of `LEAST_GROUPS` customers hold it where it is commoner.
    """
    old, new = reference.counts, current.counts
    words = sorted(
        word for word in {*old, *new} if max(old.get(word, 0), new.get(word, 0)) >= LEAST_TICKETS
    )
    if not words:
        return ()
    # A word that the reference did not keep may have stood in just under `floor` tickets.
    a = np.array([old.get(word, reference.floor - 1) for word in words], dtype=np.float64)
    b = np.array([new.get(word, current.floor - 1) for word in words], dtype=np.float64)
    pooled = (a + b) / (reference.tickets + current.tickets)
    # Half a ticket on both sides, for a word that is in all of them or in none.
    prior, rest = PRIOR_TICKETS * pooled + 0.5, PRIOR_TICKETS * (1 - pooled) + 0.5
    odds = [
        np.log((n + prior) / (total - n + rest))
        for n, total in ((b, current.tickets), (a, reference.tickets))
    ]
    z = (odds[0] - odds[1]) / np.sqrt(1 / (b + prior) + 1 / (a + prior))
    limit = float(norm.isf(level / (2 * len(words))))
    order = np.argsort(-np.abs(z), kind="stable")
    moved = [
        WordShift(
            word=words[i],
            z=round(float(z[i]), 3),
            reference=float(a[i] / reference.tickets) if words[i] in old else 0.0,
            current=float(b[i] / current.tickets) if words[i] in new else 0.0,
        )
        for i in order
        if abs(z[i]) >= limit and _may_be_told(words[i], current if z[i] > 0 else reference)
    ]
    rising = [shift for shift in moved if shift.z > 0][:most]
    return (*rising, *[shift for shift in moved if shift.z < 0][:most])


def _may_be_told(word: str, counts: WordCounts) -> bool:
    return (
        counts.counts.get(word, 0) >= LEAST_TICKETS and counts.groups.get(word, 0) >= LEAST_GROUPS
    )


def _place(word: str) -> int:
    return int(murmurhash3_32(word, seed=0, positive=True)) % KNOWN_BITS
