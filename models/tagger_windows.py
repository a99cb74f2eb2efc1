"""Words in windows that the encoder can read at once, and windows in batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.tagger_features import REMEMBERED

if TYPE_CHECKING:
    from torch import Tensor

MAX_WORD_PIECES = 12
"""Of a longer word the first 8 and the last 4 pieces are read: one URL must not fill a window."""
CALL_PIECES = 20
"""Word pieces that could be read in the time in which a call fetches the weights: a window of 8
pieces took 5.5 ms, one of 126 28.6 (`onnxruntime-f32`, one thread, AMD with AVX512, busy)."""

_HEAD_PIECES = 8
_LONG_WORD, _HEAD, _TAIL = 64, 40, 24


@dataclass
class Window:
    """Words that are read together; `document` and `first` tell where they came from.

    states : what the frozen layers make of the pieces, shape (pieces + 2, dimension)
    """

    document: int
    first: int
    words: list[str]
    pieces: list[list[int]]
    states: "Tensor | None" = None
    tags: list[int] | None = None
    group: str | None = None

    @property
    def length(self) -> int:
        """Word pieces, the two special ones included."""
        return sum(map(len, self.pieces)) + 2

    def tokens(self, first: int, last: int) -> list[int]:
        """Token ids of all words between the two special ones."""
        return [first, *(piece for word in self.pieces for piece in word), last]


class Pieces:
    """Word pieces of single words; those of the latest words are kept.

    Parameters
    ----------
    tokenise : from words to token ids, without special tokens
    unknown : token id of a word that has none
    """

    def __init__(self, tokenise: Callable[[list[str]], list[list[int]]], unknown: int) -> None:
        self._tokenise = tokenise
        self._unknown = unknown
        self._known: dict[str, list[int]] = {}

    def of(self, words: Sequence[str]) -> list[list[int]]:
        """Token ids of each word, at least one and at most MAX_WORD_PIECES."""
        if len(self._known) > REMEMBERED:
            self._known = {}
        known = self._known  # another thread may begin a new one meanwhile
        if new := sorted({word for word in words if word not in known}):
            short = [w if len(w) <= _LONG_WORD else w[:_HEAD] + w[-_TAIL:] for w in new]
            # Lone surrogates crash the tokenizer.
            clean = [w.encode("utf-8", "replace").decode("utf-8") for w in short]
            for word, ids in zip(new, self._tokenise(clean), strict=True):
                read = ids
                if len(ids) > MAX_WORD_PIECES:
                    read = ids[:_HEAD_PIECES] + ids[_HEAD_PIECES - MAX_WORD_PIECES :]
                known[word] = read or [self._unknown]
        return [known[word] for word in words]


def cut_windows(
    document: int,
    words: Sequence[str],
    ends: Sequence[bool],
    pieces: Sequence[list[int]],
    max_pieces: int,
) -> list[Window]:
    """Windows that hold every word once, in order; cut where a line or sentence ends, if any does.

    Parameters
    ----------
    ends : whether a line or a sentence ends with the word
    max_pieces : of a window, the two special ones included
    """
    windows: list[Window] = []
    first, best, used = 0, 0, 2
    position = 0
    while position < len(words):
        used += len(pieces[position])
        if used > max_pieces:
            cut = best if best > first else position
            windows.append(Window(document, first, list(words[first:cut]), list(pieces[first:cut])))
            first = best = cut
            used = 2 + sum(map(len, pieces[cut : position + 1]))
            if used > max_pieces:  # the rest of a sentence may be too long once more
                position, used = cut, 2
                continue
        if ends[position]:
            best = position + 1
        position += 1
    if first < len(words):
        windows.append(Window(document, first, list(words[first:]), list(pieces[first:])))
    return windows


def alike(windows: Sequence[Window], max_pieces: int) -> list[list[int]]:
    """Positions of windows of like length, up to `max_pieces` a batch when padded, the shortest
    first; one more window is taken along while that costs less than a call of its own.
    """
    order = sorted(range(len(windows)), key=lambda row: windows[row].length)
    batches: list[list[int]] = []
    for row in order:
        length, batch = windows[row].length, batches[-1] if batches else []
        padding = len(batch) * (length - windows[batch[-1]].length) if batch else 0
        if batch and padding <= CALL_PIECES and length * (len(batch) + 1) <= max_pieces:
            batch.append(row)
        else:
            batches.append([row])
    return batches


def batches_of(windows: Sequence[Window], max_pieces: int, seed: int | None) -> list[list[int]]:
    """Positions of windows of like length, up to `max_pieces` a batch when padded.

    In random order, and mixed within quarters of the windows, where there is a seed; otherwise the
    shortest first.
    """
    random = np.random.default_rng(seed)
    lengths = np.array([window.length for window in windows])
    order = np.arange(len(windows)) if seed is None else random.permutation(len(windows))
    pool = max(1, len(order) if seed is None else len(order) // 4)
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        part = order[start : start + pool]
        current: list[int] = []
        for position in part[np.argsort(lengths[part], kind="stable")]:
            if current and lengths[position] * (len(current) + 1) > max_pieces:
                batches.append(current)
                current = []
            current.append(int(position))
        batches.append(current)
    if seed is None:
        return [batch for batch in batches if batch]
    return [batches[i] for i in random.permutation(len(batches)) if batches[i]]
