"""From texts to entities, by whatever tags the words of a window."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from data.conll import OUTSIDE, spans_of
from data.schema import Entity
from models.tagger_features import Lexicon
from models.tagger_names import around_names
from models.tagger_windows import Pieces, Window, cut_windows
from models.tagger_words import split_words

SERVED_PIECES = 1024
"""Word pieces of a batch when finding, padded; bounds the memory of a long text."""

Decode = Callable[[Sequence[Window]], list[list[str]]]
"""BIO tags of each window's words."""


def bio_tags(labels: Sequence[str]) -> tuple[str, ...]:
    """The tags of some kinds of entities, in column order."""
    return (OUTSIDE, *(f"{kind}-{label}" for label in labels for kind in "BI"))


def find_entities(
    texts: Sequence[str],
    pieces: Pieces,
    max_pieces: int,
    decode: Decode,
    lexicon: Lexicon,
    names: tuple[str, ...] | None = None,
) -> list[tuple[Entity, ...]]:
    """Entities of each text in order, none overlapping; `text[start:end]` is what was found.

    A long text is read in windows, cut where a line or sentence ends.

    Parameters
    ----------
    lexicon : tells which words may be part of a name
    names : kinds that are wanted, and only where they are written with a capital: what stands far
        from one is not read. None: every word is read
    """
    may_name = None if names is None else partial(lexicon.may_name, kinds=names)
    words = [split_words(text) for text in texts]
    windows: list[Window] = []
    read: list[list[int]] = []
    for number, (text, found) in enumerate(zip(texts, words, strict=True)):
        strings = [text[word.start : word.end] for word in found]
        ends = [word.ends for word in found]
        if may_name is None:
            rows = list(range(len(found)))
        else:
            rows = around_names(strings, ends, may_name)
        read.append(rows)
        # What stands before a gap is an end as well.
        closing = [
            ends[row] or following != row + 1 for row, following in pairwise([*rows, len(found)])
        ]
        chosen = [strings[row] for row in rows]
        windows += cut_windows(number, chosen, closing, pieces.of(chosen), max_pieces)
    tags = [[OUTSIDE] * len(found) for found in words]
    places = [iter(rows) for rows in read]
    for window, decoded in zip(windows, decode(windows), strict=True):
        for tag in decoded:
            tags[window.document][next(places[window.document])] = tag
    return [
        tuple(
            Entity(start=found[start].start, end=found[end - 1].end, label=label, source="model")
            for start, end, label in spans_of(decoded)
        )
        for found, decoded in zip(words, tags, strict=True)
    ]
