"""Which words of a text are read where only names are looked for: those around a likely name.

A name has a capital. Of the words with one, most begin a sentence, and the lexicon tells of these
that they never were part of a name (`models.tagger_features.Lexicon.may_name`).
"""

from collections.abc import Callable, Sequence

REACH = 12
"""Words read on either side of a likely name, within its sentence.

With it and the lexicon's two limits, of the published test documents of stackoverflow-ner 37 % of
the word pieces are read, and entities of the kinds shown that have a capital are found as well as
by reading everything (F1 0.692 and 0.696, 457 spans). Of the bundled sample 53 % are read: in
German every noun has a capital.
"""

MayName = Callable[[str], bool]
"""Whether a word may be part of a name."""


def around_names(words: Sequence[str], ends: Sequence[bool], may_name: MayName) -> list[int]:
    """Positions of the words to read, rising.

    Parameters
    ----------
    ends : whether a line or a sentence ends with the word
    """
    read: list[int] = []
    for position, word in enumerate(words):
        if not may_name(word):
            continue
        first = last = position
        while first > 0 and position - first < REACH and not ends[first - 1]:
            first -= 1
        while last + 1 < len(words) and last - position < REACH and not ends[last]:
            last += 1
        read += range(max(first, read[-1] + 1 if read else 0), last + 1)
    return read
