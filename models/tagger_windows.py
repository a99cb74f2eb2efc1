"""Words in windows that the encoder can read at once, and windows in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.batching import pad_tokens
from models.encoders import reduced_precision
from models.frozen_states import pass_layers
from models.tagger_features import CHARACTERS, FLAGS, PARTS, Lexicon, form_of
from models.tagger_network import Batch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MAX_WORD_PIECES = 12
"""Of a longer word the first 8 and the last 4 pieces are read: one URL must not fill a window."""
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
    states: torch.Tensor | None = None
    tags: list[int] | None = None
    group: str | None = None

    @property
    def length(self) -> int:
        """Word pieces, the two special ones included."""
        return sum(map(len, self.pieces)) + 2


class Pieces:
    """Word pieces of single words, kept while a text or a training set is read."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}

    def of(self, words: Sequence[str]) -> list[list[int]]:
        """Token ids of each word, at least one and at most MAX_WORD_PIECES."""
        new = sorted({word for word in words if word not in self._known})
        if new:
            short = [w if len(w) <= _LONG_WORD else w[:_HEAD] + w[-_TAIL:] for w in new]
            # Lone surrogates crash the tokenizer.
            clean = [w.encode("utf-8", "replace").decode("utf-8") for w in short]
            found = self._tokenizer(clean, add_special_tokens=False)["input_ids"]
            for word, ids in zip(new, found, strict=True):
                read = ids
                if len(ids) > MAX_WORD_PIECES:
                    read = ids[:_HEAD_PIECES] + ids[_HEAD_PIECES - MAX_WORD_PIECES :]
                self._known[word] = read or [self._tokenizer.unk_token_id]
        return [self._known[word] for word in words]


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


@torch.inference_mode()
def lower_states(
    encoder: "SentenceTransformer", windows: Sequence[Window], layers: int
) -> list[torch.Tensor]:
    """What the lowest layers make of windows, half precision, shape (pieces + 2, dimension)."""
    network, tokenizer = encoder[0].auto_model, encoder.tokenizer
    states: list[torch.Tensor | None] = [None] * len(windows)
    for rows in batches_of(windows, 4096, None):
        ids = [
            [
                tokenizer.cls_token_id,
                *(piece for word in windows[row].pieces for piece in word),
                tokenizer.sep_token_id,
            ]
            for row in rows
        ]
        padded, mask = pad_tokens(ids, torch.device("cpu"))
        with reduced_precision("cpu"):
            hidden = pass_layers(network, network.embeddings(input_ids=padded), mask, 0, layers)
        for row, found, one in zip(rows, hidden, ids, strict=True):
            states[row] = found[: len(one)].half().clone()
    return [state for state in states if state is not None]


def make_batch(windows: Sequence[Window], lexicon: Lexicon) -> Batch:
    """Windows padded to one shape; their states must be there."""
    states = [window.states for window in windows if window.states is not None]
    b, dimension = len(states), states[0].shape[1]
    length = max(len(state) for state in states)
    # Few shapes: the processor's matrix library keeps memory for each it has met.
    length += -length % 8
    n = max(len(window.words) for window in windows)
    n += -n % 4
    hidden = torch.zeros(b, length, dimension)
    mask = torch.zeros(b, length, dtype=torch.long)
    owner = torch.zeros(b, n, length)
    there = torch.zeros(b, n, dtype=torch.bool)
    hashes = torch.zeros(b, n, PARTS * 2, dtype=torch.long)
    flags = torch.zeros(b, n, FLAGS)
    characters = torch.zeros(b, n, CHARACTERS, dtype=torch.long)
    known = torch.zeros(b, n, lexicon.width)
    tags = torch.zeros(b, n, dtype=torch.long)
    for i, (window, state) in enumerate(zip(windows, states, strict=True)):
        count = len(window.words)
        hidden[i, : len(state)] = state.float()
        mask[i, : len(state)] = 1
        there[i, :count] = True
        sizes = torch.tensor([len(word) for word in window.pieces])
        index = torch.repeat_interleave(torch.arange(count), sizes)
        owner[i, index, torch.arange(1, len(index) + 1)] = 1
        forms = [form_of(word) for word in window.words]
        hashes[i, :count] = torch.tensor([form[0] for form in forms])
        flags[i, :count] = torch.tensor([form[1] for form in forms])
        characters[i, :count] = torch.tensor([form[2] for form in forms])
        rows = [lexicon.features(word, window.group) for word in window.words]
        known[i, :count] = torch.from_numpy(np.stack(rows))
        if window.tags is not None:
            tags[i, :count] = torch.tensor(window.tags)
    return Batch(hidden, mask, owner, there, hashes, flags, characters, known, tags)
