"""From texts to entities, by whatever tags the words of a window."""

from collections.abc import Callable, Sequence

from data.conll import OUTSIDE, spans_of
from data.schema import Entity
from models.tagger_windows import Pieces, Window, cut_windows
from models.tagger_words import split_words

SERVED_PIECES = 2048
"""Word pieces of a batch when finding, padded; bounds the memory of a long text."""

Decode = Callable[[Sequence[Window]], list[list[str]]]
"""BIO tags of each window's words."""


def bio_tags(labels: Sequence[str]) -> tuple[str, ...]:
    """The tags of some kinds of entities, in column order."""
    return (OUTSIDE, *(f"{kind}-{label}" for label in labels for kind in "BI"))


def find_entities(
    texts: Sequence[str], pieces: Pieces, max_pieces: int, decode: Decode
) -> list[tuple[Entity, ...]]:
    """Entities of each text in order, none overlapping; `text[start:end]` is what was found.

    A long text is read in windows, cut where a line or sentence ends; no word is left out.
    """
    words = [split_words(text) for text in texts]
    windows: list[Window] = []
    for number, (text, found) in enumerate(zip(texts, words, strict=True)):
        strings = [text[word.start : word.end] for word in found]
        ends = [word.ends for word in found]
        windows += cut_windows(number, strings, ends, pieces.of(strings), max_pieces)
    tags: list[list[str]] = [[] for _ in texts]
    for window, decoded in zip(windows, decode(windows), strict=True):
        tags[window.document] += decoded
    return [
        tuple(
            Entity(start=found[start].start, end=found[end - 1].end, label=label, source="model")
            for start, end, label in spans_of(decoded)
        )
        for found, decoded in zip(words, tags, strict=True)
    ]
