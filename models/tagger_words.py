"""Words of a text with their place in it: what the tagger tags."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_RUN = re.compile(r"\S+")
_OPENING = frozenset("([{\"'`“‘«„")
_CLOSING = frozenset(")]}\"'`”’».,;:!?…")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_CONTRACTION = re.compile(r"(?:n['’]t|['’](?:s|m|d|re|ve|ll))\Z", re.IGNORECASE)
_LONGEST_CONTRACTION = 3
_SENTENCE_ENDS = frozenset(".!?")


class Word(NamedTuple):
    """`text[start:end]`, in characters; `ends` tells whether a line or a sentence ends here."""

    start: int
    end: int
    ends: bool = False


def split_words(text: str) -> list[Word]:
    """Runs of non-blanks, freed of the punctuation around them and of contractions.

    What stands inside a run stays: `foo.bar()`, `C++`, `std::sort`, `/etc/hosts` and `#main` are
    one word each; a closing bracket stays while its run holds the opening one, and a run without
    letters or digits (`->`, `...`) stays whole. Every character that is not a blank lies in
    exactly one word. Takes time linear in the length of the text.
    """
    words: list[Word] = []
    for run in _RUN.finditer(text):
        words.extend(_split_run(text, *run.span()))
        if text[run.end() : run.end() + 1] in ("", "\n", "\r"):
            words[-1] = words[-1]._replace(ends=True)
    return words


def _split_run(text: str, start: int, end: int) -> Iterator[Word]:
    run = text[start:end]
    if _CONTRACTION.fullmatch(run) or not any(character.isalnum() for character in run):
        yield Word(start, end, run in _SENTENCE_ENDS)
        return
    first, last = _core(run)
    for position in range(first):
        yield Word(start + position, start + position + 1)
    tail = _CONTRACTION.search(run, max(first + 1, last - _LONGEST_CONTRACTION), last)
    cut = tail.start() if tail else last
    yield Word(start + first, start + cut)
    if tail:
        yield Word(start + cut, start + last)
    for position in range(last, end - start):
        yield Word(start + position, start + position + 1, run[position] in _SENTENCE_ENDS)


def _core(run: str) -> tuple[int, int]:
    """What is left of a run that holds a letter or digit, without the punctuation around it."""
    first, last = 0, len(run)
    while run[first] in _OPENING:
        first += 1
    surplus = {
        closing: run.count(closing, first) - run.count(opening, first)
        for closing, opening in _PAIRS.items()
    }
    while run[last - 1] in _CLOSING:
        closing = run[last - 1]
        if closing in _PAIRS:
            if surplus[closing] <= 0:
                break
            surplus[closing] -= 1
        last -= 1
    return first, last
