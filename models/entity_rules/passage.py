"""What a rule sees and what it gives, and the words around a candidate."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

_WORD = re.compile(r"[^\W\d_]+")
# "Tel. 030" and "Nr. 7" go on. The first character alone tells most places apart, so that the
# search skips the others fast.
_NO_STOP = "".join(rf"(?<!\b{word}\.)" for word in ("tel", "tél", "nr", "no", "ca", "ext"))
_STOPS = rf"(?<=\n)\s*\n|(?<!\n){_NO_STOP}[\"')\]]?\s"
SENTENCE_END = re.compile(rf"[.!?;\n](?:{_STOPS})", re.IGNORECASE)
CLAUSE_END = re.compile(rf"[.!?;\n,](?:(?<=,)|{_STOPS})", re.IGNORECASE)


class Span(NamedTuple):
    """A proposed entity: `text[start:end]` is of this kind; `value` is its normal form."""

    start: int
    end: int
    kind: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to be searched and what is known about it.

    Parameters
    ----------
    text : the customer's own, unchanged
    reference : when it was written; dates without a year are put nearest to it
    day_first : 03/04 is 3 April where the text does not tell
    coarse_dates : years and weekdays standing alone are dates too
    """

    text: str
    reference: datetime | None = None
    day_first: bool = True
    coarse_dates: bool = False

    def before(self, start: int, width: int = 48) -> str:
        """The characters just before a place."""
        return self.text[max(0, start - width) : start]

    def after(self, end: int, width: int = 48) -> str:
        """The characters just after a place."""
        return self.text[end : end + width]

    def words_before(
        self, start: int, n: int, *, width: int = 48, ends: re.Pattern[str] = SENTENCE_END
    ) -> list[str]:
        """Up to n casefolded words before a place, the nearest last, none beyond an end."""
        found = _WORD.findall(ends.split(self.before(start, width))[-1])
        return [word.casefold() for word in found[-n:]]

    def words_after(self, end: int, n: int, *, width: int = 48) -> list[str]:
        """Up to n casefolded words after a place, the nearest first, in the same sentence."""
        found = _WORD.findall(SENTENCE_END.split(self.after(end, width), maxsplit=1)[0])
        return [word.casefold() for word in found[:n]]


Rule = Callable[[Passage], Iterator[Span]]
"""Proposes spans of one kind, left to right, in time linear in the length of the text."""


def words(text: str) -> frozenset[str]:
    """The words of a list written as text."""
    return frozenset(text.split())
