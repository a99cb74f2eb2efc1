"""A text as its tone is written: signs as words, what is denied, and words that tell of a feeling.

An encoder reads what a text means; how it is said stands in signs and single words: emoticons,
capitals, exclamation marks, "not" before "good". Here they become words of their own, so that
whatever counts words can count them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from data.errors import DataError
from data.yaml_files import read_kinds
from models.term_features import LONGEST

LEXICON = Path(__file__).with_name("tone_words.yaml")

READ = 4_000
"""Characters of a text that are read, at most, so that a long one takes no longer."""

DENIED = 3
"""Words behind a denial that it speaks of, within one clause."""

_SMILE = re.compile(r"(?<!\w)(?:[:;=][-o*'^]?(?:\)+|[dDpP]+)|[xX]D+|\^_*\^|<3)(?!\w)")
_FROWN = re.compile(r"(?<!\w)(?:[:;=][-o*'^]?\(+|:-?[/\\|]+)(?!\w)")
_TOKENS = re.compile(r"\w+(?:['’]\w+)*|[!?]+|\.\.+|[^\w\s]")

_DENIALS = frozenset(
    (
        *("no", "not", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor"),
        *("cannot", "without", "hardly", "barely", "aint", "cant", "wont", "dont", "doesnt"),
        *("didnt", "isnt", "wasnt", "arent", "werent", "couldnt", "shouldnt", "wouldnt"),
        *("havent", "hasnt", "hadnt"),
    )
)
_CLAUSE_ENDS = frozenset(".,;:!?")
_WORD = re.compile(r"\w+\*?")
_REMEMBERED = 8_192


class ToneWords:
    """Writes a text as its tone is read; safe to ask from several threads.

    Parameters
    ----------
    lexicon : kind -> words; `*` stands for the rest of a word

    Raises
    ------
    DataError
        If a kind has no word, or a word is not one of letters, digits and a last `*`.
    """

    def __init__(self, lexicon: Mapping[str, Sequence[str]]) -> None:
        self._whole: dict[str, list[str]] = {}
        self._begun: dict[str, list[str]] = {}
        for kind, words in lexicon.items():
            if not words or not all(map(_WORD.fullmatch, words)):
                raise DataError(f"tone words {kind!r}: every kind needs words, of letters alone")
            for word in words:
                kept = self._begun if word.endswith("*") else self._whole
                kept.setdefault(word.removesuffix("*").lower(), []).append(f"tone{kind}")
        self._lengths = sorted({len(begin) for begin in self._begun})
        self._kinds = lru_cache(maxsize=_REMEMBERED)(self._find_kinds)

    def write(self, text: str) -> str:
        """The words of a text and of its signs, then the kinds of those in the lexicon."""
        words = list(self._words(text[:READ]))
        kinds = [kind + end for word, end in words for kind in self._kinds_of(word)]
        return " ".join([*(word + end for word, end in words), *kinds])

    def _words(self, text: str) -> Iterator[tuple[str, str]]:
        """Each word in lower case without apostrophes, and `_n` where it is denied."""
        denied = 0
        for match in _TOKENS.finditer(_FROWN.sub(" tonefrown ", _SMILE.sub(" tonesmile ", text))):
            token = match[0]
            if not (token[0].isalnum() or token[0] == "_"):
                if token[0] in _CLAUSE_ENDS:
                    denied = 0
                if sign := _name_sign(token):
                    yield sign, ""
                continue
            word = token.lower().replace("'", "").replace("’", "")
            yield word, "_n" if denied else ""
            if len(token) > 2 and token.isupper() and token.isalpha():
                yield "tonecapitals", ""
            denied = DENIED if word in _DENIALS else max(0, denied - 1)

    def _kinds_of(self, word: str) -> tuple[str, ...]:
        return self._kinds(word) if len(word) <= LONGEST else ()

    def _find_kinds(self, word: str) -> tuple[str, ...]:
        found = list(self._whole.get(word, ()))
        for length in self._lengths:
            if length > len(word):
                break
            found += self._begun.get(word[:length], ())
        return tuple(dict.fromkeys(found))


def read_tone_words(path: Path = LEXICON) -> dict[str, tuple[str, ...]]:
    """Kind -> words of a YAML file; see `data.yaml_files.read_kinds`."""
    return read_kinds(path, "words")


def _name_sign(token: str) -> str | None:
    if token[0] in "!?":
        name = "exclaims" if "!" in token else "asks"
        return f"tone{name}" + ("much" if len(token) > 1 else "")
    return "tonedots" if token[0] == "." and len(token) > 1 else None
