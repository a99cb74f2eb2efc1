"""What tells a reader how bad it is: phrases of impact, urgency and calm, with their places."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.schema import Evidence
from data.yaml_files import read_kinds

LEXICON = Path(__file__).with_name("evidence.yaml")

SHOUTING = "shouting"
"""Words in capitals beside words that are not, and several exclamation marks in a row."""

_SHOUT = re.compile(r"!{2,}|(?<!\w)[^\W\d_]{4,}(?!\w)")
_LOWER = re.compile(r"[^\W\d_]{2,}")


class EvidenceFinder:
    """Finds evidence of severity; the same finder serves as feature and as reason.

    Parameters
    ----------
    lexicon : kind -> phrases; `*` ends a phrase with the rest of a word

    Raises
    ------
    DataError
        If a kind has no phrase, or a phrase no letter.
    """

    def __init__(self, lexicon: Mapping[str, Sequence[str]]) -> None:
        for kind, phrases in lexicon.items():
            if not phrases or any(not any(map(str.isalnum, phrase)) for phrase in phrases):
                raise DataError(f"evidence {kind!r}: every kind needs phrases with letters")
        self.kinds = (*lexicon, SHOUTING)
        self._patterns = {kind: _pattern(phrases) for kind, phrases in lexicon.items()}

    def find(self, text: str) -> tuple[Evidence, ...]:
        """Pieces of evidence in the order of the text; `text[start:end]` is what was read."""
        found = [
            Evidence(kind=kind, start=match.start(), end=match.end())
            for kind, pattern in self._patterns.items()
            for match in pattern.finditer(text)
        ]
        found += [
            Evidence(kind=SHOUTING, start=start, end=end) for start, end in _find_shouting(text)
        ]
        return tuple(sorted(found, key=lambda piece: (piece.start, piece.end, piece.kind)))

    def features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """log(1 + count) of each kind, shape (n, len(kinds)), columns in the order of `kinds`."""
        column = {kind: i for i, kind in enumerate(self.kinds)}
        counts = np.zeros((len(texts), len(self.kinds)), dtype=np.float32)
        for row, text in enumerate(texts):
            for piece in self.find(text):
                counts[row, column[piece.kind]] += 1
        features: NDArray[np.float32] = np.log1p(counts)
        return features


def read_lexicon(path: Path = LEXICON) -> dict[str, tuple[str, ...]]:
    """Kind -> phrases of a YAML file; see `data.yaml_files.read_kinds`."""
    return read_kinds(path, "phrases")


def _pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    # Longest first: of two phrases that begin alike the longer one says more.
    parts = [
        r"\s{1,5}".join(re.escape(word) for word in phrase.removesuffix("*").split())
        + (r"\w*" if phrase.endswith("*") else "")
        for phrase in sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.IGNORECASE)


def _find_shouting(text: str) -> list[tuple[int, int]]:
    """Capitals mean nothing where all is in capitals, or in an abbreviation of three letters."""
    mixed = any(match[0].islower() for match in _LOWER.finditer(text))
    return [
        match.span()
        for match in _SHOUT.finditer(text)
        if match[0][0] == "!" or (mixed and match[0].isupper())
    ]
