"""What the words of windows show, as arrays that a network reads."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.tagger_features import CHARACTERS, FLAGS, PARTS, Lexicon, form_of
from models.tagger_windows import Window


class WordInputs(NamedTuple):
    """Words of b windows, up to `words` in each, shapes (b, words, ...).

    owner : owner[i, w, p] is 1 where piece p belongs to word w, shape (b, words, pieces)
    """

    owner: NDArray[np.float32]
    hashes: NDArray[np.int64]
    flags: NDArray[np.float32]
    characters: NDArray[np.int64]
    lexicon: NDArray[np.float32]


def word_inputs(windows: Sequence[Window], lexicon: Lexicon, pieces: int) -> WordInputs:
    """Windows padded to one shape.

    Parameters
    ----------
    pieces : word pieces of each, padding included
    """
    b, n = len(windows), max(len(window.words) for window in windows)
    n += -n % 4  # few shapes: matrix libraries keep memory for each they have met
    made = WordInputs(
        owner=np.zeros((b, n, pieces), dtype=np.float32),
        hashes=np.zeros((b, n, PARTS * 2), dtype=np.int64),
        flags=np.zeros((b, n, FLAGS), dtype=np.float32),
        characters=np.zeros((b, n, CHARACTERS), dtype=np.int64),
        lexicon=np.zeros((b, n, lexicon.width), dtype=np.float32),
    )
    for row, window in enumerate(windows):
        count = len(window.words)
        sizes = [len(word) for word in window.pieces]
        index = np.repeat(np.arange(count), sizes)
        made.owner[row, index, np.arange(1, len(index) + 1)] = 1  # piece 0 is the special one
        forms = [form_of(word) for word in window.words]
        made.hashes[row, :count] = [form.hashes for form in forms]
        made.flags[row, :count] = [form.flags for form in forms]
        made.characters[row, :count] = [form.characters for form in forms]
        made.lexicon[row, :count] = [lexicon.features(w, window.group) for w in window.words]
    return made


def length_of(windows: Sequence[Window]) -> int:
    """Word pieces of the longest window, rounded up to a multiple of 8."""
    longest = max(window.length for window in windows)
    return longest + -longest % 8
