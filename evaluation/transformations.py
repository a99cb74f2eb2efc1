"""Changes to a ticket that must not change where it goes.

Each takes a text and a generator and gives the changed text, or None where it does not apply to
that text: a change that changes nothing proves nothing.
"""

import re
from collections.abc import Callable

from numpy.random import Generator

Transformation = Callable[[str, Generator], str | None]

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_LONG_WORD = re.compile(r"\b[^\W\d_]{6,}\b")
_NEIGHBOURS = {
    "a": "s", "e": "r", "i": "o", "o": "p", "u": "i", "n": "m", "r": "t", "s": "d", "t": "z",
}  # fmt: skip


def swap_letters(text: str, generator: Generator) -> str | None:
    """Two neighbouring letters swapped inside one long word."""
    words = list(_LONG_WORD.finditer(text))
    if not words:
        return None
    word = words[int(generator.integers(len(words)))]
    place = int(generator.integers(word.start() + 1, word.end() - 2))
    return _changed(text, text[:place] + text[place + 1] + text[place] + text[place + 2 :])


def slip_finger(text: str, generator: Generator) -> str | None:
    """One letter replaced by its neighbour on the keyboard, inside a long word."""
    places = [
        place
        for word in _LONG_WORD.finditer(text)
        for place in range(word.start() + 1, word.end() - 1)
        if text[place] in _NEIGHBOURS
    ]
    if not places:
        return None
    place = places[int(generator.integers(len(places)))]
    return text[:place] + _NEIGHBOURS[text[place]] + text[place + 1 :]


def upper_case(text: str, generator: Generator) -> str | None:
    """The whole ticket shouted."""
    return _changed(text, text.upper())


def lower_case(text: str, generator: Generator) -> str | None:
    """The whole ticket in small letters."""
    return _changed(text, text.lower())


def add_greeting(text: str, generator: Generator) -> str | None:
    """A salutation before the ticket."""
    greetings = ("Hello,\n", "Hi team,\n\n", "Good morning,\n", "Dear support,\n")
    return greetings[int(generator.integers(len(greetings)))] + text


def add_signature(text: str, generator: Generator) -> str | None:
    """A closing line and a signature after the ticket."""
    return f"{text}\n\nThanks and kind regards\nAlex\n-- \nSent from my phone"


def add_masked_mail(text: str, generator: Generator) -> str | None:
    """An address in the form in which prepared tickets carry one."""
    return f"{text}\nPlease copy [email] on the answer."


def double_blanks(text: str, generator: Generator) -> str | None:
    """Every blank doubled."""
    return _changed(text, text.replace(" ", "  "))


def drop_punctuation(text: str, generator: Generator) -> str | None:
    """Full stops, commas, exclamation and question marks at word ends left out."""
    return _changed(text, re.sub(r"[.,!?;:]+(?=\s|$)", "", text))


def reverse_sentences(text: str, generator: Generator) -> str | None:
    """The sentences in opposite order."""
    sentences = _SENTENCE_END.split(text.strip())
    return _changed(text, " ".join(reversed(sentences))) if len(sentences) > 1 else None


def add_displeasure(text: str, generator: Generator) -> str | None:
    """What somebody adds who has had enough; nothing about the matter."""
    complaints = (
        "I am really disappointed, this is terrible.",
        "Honestly, I am fed up and very angry about this.",
        "This is so annoying, the worst experience ever.",
    )
    return f"{text}\n{complaints[int(generator.integers(len(complaints)))]}"


def add_pleasure(text: str, generator: Generator) -> str | None:
    """What somebody adds who is happy with everybody; nothing about the matter."""
    praises = (
        "You are wonderful, I am very happy with your help.",
        "Thank you so much, you are always great!",
        "Love what you do, excellent work as ever.",
    )
    return f"{text}\n{praises[int(generator.integers(len(praises)))]}"


TRANSFORMATIONS: dict[str, Transformation] = {
    "letters swapped": swap_letters,
    "finger slipped": slip_finger,
    "in capitals": upper_case,
    "in small letters": lower_case,
    "greeting added": add_greeting,
    "signature added": add_signature,
    "masked address added": add_masked_mail,
    "blanks doubled": double_blanks,
    "punctuation dropped": drop_punctuation,
    "sentences reversed": reverse_sentences,
    "displeasure added": add_displeasure,
    "pleasure added": add_pleasure,
}

TONES = frozenset({"displeasure added", "pleasure added"})
"""Change how a ticket sounds and not what it is about: sentiment and severity may move."""


def _changed(before: str, after: str) -> str | None:
    return after if after != before else None
