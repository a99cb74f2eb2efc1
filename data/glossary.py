"""Short forms and what they stand for: a list people edit, and one read from the tickets.

The tickets' own definitions, "virtual private network (VPN)", are found as in Schwartz and Hearst,
"A simple algorithm for identifying abbreviation definitions in biomedical text", Pacific Symposium
on Biocomputing 2003.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from data.errors import DataError

GLOSSARY = Path(__file__).with_name("glossary.csv")

_COLUMNS = ("short", "long", "language")

_TOKEN = re.compile(r"\w+(?:[-/&]\w+)*")
_WORD = re.compile(r"\w+")
_WORDS = re.compile(r"[\w '’/&,-]+")
_CLAUSE_END = re.compile(r"[.!?;:](?=\s)|\n\s*\n")
_LIST_END = re.compile(r"[;,](?=\s)")

# What is looked at around a bracket, so that the time is linear however brackets stand.
_INSIDE = 100
_BEFORE = 200


class Definition(NamedTuple):
    """A short form, what it stands for, and how many texts say so."""

    short: str
    long: str
    texts: int


class Entry(NamedTuple):
    """One line of a glossary; it counts for texts of `language`, or for all where that is None."""

    short: str
    long: str
    language: str | None = None


class Glossary:
    """Expands short forms, whatever their case.

    Parameters
    ----------
    entries : of two with the same short form the one for the text's language is preferred, then
        the earlier one
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self._long: dict[tuple[str, str | None], str] = {}
        for entry in self.entries:
            self._long.setdefault((entry.short.casefold(), entry.language), entry.long)

    def __len__(self) -> int:
        return len(self.entries)

    def find(self, text: str, language: str | None = None) -> tuple[str, ...]:
        """Long forms of the short ones in a text, in its order, each once.

        One that the text says itself is left out.
        """
        said = f" {' '.join(_WORD.findall(text.casefold()))} "
        found: dict[str, None] = {}
        for word in dict.fromkeys(_words(text)):
            long = self._long.get((word, language)) or self._long.get((word, None))
            if long and f" {' '.join(_WORD.findall(long.casefold()))} " not in said:
                found[long] = None
        return tuple(found)

    def expand(self, text: str, language: str | None = None) -> str:
        """The text with the long forms of its short ones in a line at its end.

        The time is linear in the length. A text is not expanded again by its own expansion, as
        long as no long form holds a short one.
        """
        found = self.find(text, language)
        return f"{text}\n{', '.join(found)}" if found else text


def read_glossary(path: Path = GLOSSARY) -> Glossary:
    """The glossary in a CSV file with the columns short, long and, if wanted, language.

    Raises
    ------
    DataError
        If the file cannot be read, a line lacks a value or has one too many, or a short form
        stands there twice for a language; the message names the line.
    """
    entries: list[Entry] = []
    lines: dict[tuple[str, str | None], int] = {}
    for number, values in _read_lines(path):
        for name in _COLUMNS[:2]:
            if not values[name]:
                raise DataError(f"{path}, line {number}: {name} is empty")
        entry = Entry(values["short"], values["long"], values.get("language") or None)
        if not _TOKEN.fullmatch(entry.short):
            raise DataError(
                f"{path}, line {number}: short: expected one word, with - / & inside at most"
            )
        key = (entry.short.casefold(), entry.language)
        if key in lines:
            raise DataError(
                f"{path}, line {number}: {entry.short!r} stands in line {lines[key]} already"
            )
        lines[key] = number
        entries.append(entry)
    return Glossary(entries)


def learn_glossary(texts: Iterable[str], smallest: int = 2) -> Glossary:
    """What the texts themselves define, in at least `smallest` of them and mostly in one way."""
    known: dict[str, Definition] = {}
    total: Counter[str] = Counter()
    for one in find_definitions(texts):
        short = one.short.casefold()
        total[short] += one.texts
        if short not in known or one.texts > known[short].texts:
            known[short] = one
    return Glossary(
        Entry(one.short, one.long)
        for short, one in known.items()
        if one.texts >= smallest and 2 * one.texts > total[short]
    )


def find_definitions(texts: Iterable[str]) -> tuple[Definition, ...]:
    """Definitions in brackets, the commonest first: "long form (SF)" and "SF (long form)".

    Other than in the paper a short form is one word with two capitals, and a long form is made of
    words: tickets put code, sizes and asides in brackets. Definitions that differ in case alone
    are counted as one and told as first written. The time is linear in the length of the texts.
    """
    counts: Counter[tuple[str, str]] = Counter()
    written: dict[tuple[str, str], tuple[str, str]] = {}
    for text in texts:
        inside: dict[tuple[str, str], tuple[str, str]] = {}
        for short, long in _definitions(text):
            inside.setdefault((short.casefold(), long.casefold()), (short, long))
        counts.update(inside.keys())
        for key, words in inside.items():
            written.setdefault(key, words)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Definition(*written[key], count) for key, count in ordered)


def find_long_form(short: str, before: str) -> str | None:
    """The shortest end of `before` that `short` abbreviates, None if there is none.

    Read from the right, every letter and digit of the short form must be met in order, the first
    of them where a word begins.
    """
    place = len(before)
    for position in range(len(short) - 1, -1, -1):
        wanted = short[position].lower()
        if not wanted.isalnum():
            continue
        place -= 1
        while place >= 0 and (
            before[place].lower() != wanted
            or (position == 0 and place > 0 and before[place - 1].isalnum())
        ):
            place -= 1
        if place < 0:
            return None
    long = before[place:].strip()
    longest = min(len(short) + 5, 2 * len(short))
    if len(long.split()) > longest or short.casefold() in long.casefold():
        return None
    return long if len(long) > len(short) and _WORDS.fullmatch(long) else None


def _definitions(text: str) -> Iterator[tuple[str, str]]:
    start = text.find("(")
    while start >= 0:
        end = text.find(")", start, start + _INSIDE)
        following = text.find("(", start + 1)
        if end >= 0 and (following < 0 or end < following):
            found = _read_bracket(text[max(0, start - _BEFORE) : start], text[start + 1 : end])
            if found:
                yield found
        start = following


def _read_bracket(before: str, inside: str) -> tuple[str, str] | None:
    before = " ".join(_CLAUSE_END.split(before)[-1].split())
    inside = " ".join(_LIST_END.split(inside)[0].split())
    if _is_short(inside):
        long = find_long_form(inside, before)
        return (inside, long) if long else None
    _, _, last = before.rpartition(" ")
    # The bracket holds the long form and nothing else.
    if _is_short(last) and find_long_form(last, inside) == inside:
        return last, inside
    return None


def _is_short(text: str) -> bool:
    return (
        2 <= len(text) <= 10
        and _TOKEN.fullmatch(text) is not None
        and sum(map(str.isupper, text)) >= 2
    )


def _words(text: str) -> Iterator[str]:
    """Words in lower case; of a compound the whole, then its parts."""
    for match in _TOKEN.finditer(text):
        word = match[0].casefold()
        yield word
        parts = _WORD.findall(word)
        if len(parts) > 1:
            yield from parts


def _read_lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Number of the line and its values by column; empty lines are passed over."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            header = [name.strip() for name in next(reader, [])]
            if tuple(header) not in (_COLUMNS, _COLUMNS[:2]):
                raise DataError(
                    f"{path}, line 1: expected the columns short,long or short,long,language"
                )
            for fields in reader:
                if not any(map(str.strip, fields)):
                    continue
                if len(fields) != len(header):
                    raise DataError(
                        f"{path}, line {reader.line_num}: {len(fields)} values, "
                        f"expected {len(header)}"
                    )
                values = zip(header, map(str.strip, fields), strict=True)
                yield reader.line_num, dict(values)
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {type(error).__name__}") from error
