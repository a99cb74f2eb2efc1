"""Windows as torch reads them: what the frozen layers make of them, and batches of that."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from models.batching import pad_tokens
from models.frozen_states import pass_layers
from models.precision import reduced_precision
from models.tagger_features import Lexicon
from models.tagger_inputs import length_of, word_inputs
from models.tagger_network import Batch
from models.tagger_windows import Window, batches_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@torch.inference_mode()
def lower_states(
    encoder: "SentenceTransformer", windows: Sequence[Window], layers: int
) -> list[torch.Tensor]:
    """What the lowest layers make of windows, half precision, shape (pieces + 2, dimension)."""
    network, tokenizer = encoder[0].auto_model, encoder.tokenizer
    states: list[torch.Tensor | None] = [None] * len(windows)
    for rows in batches_of(windows, 4096, None):
        ids = [windows[row].tokens(tokenizer.cls_token_id, tokenizer.sep_token_id) for row in rows]
        padded, mask = pad_tokens(ids, torch.device("cpu"))
        with reduced_precision("cpu"):
            hidden = pass_layers(network, network.embeddings(input_ids=padded), mask, 0, layers)
        for row, found, one in zip(rows, hidden, ids, strict=True):
            states[row] = found[: len(one)].half().clone()
    return [state for state in states if state is not None]


def make_batch(windows: Sequence[Window], lexicon: Lexicon) -> Batch:
    """Windows padded to one shape; their states must be there."""
    states = [window.states for window in windows if window.states is not None]
    length = length_of(windows)
    words = word_inputs(windows, lexicon, length)
    b, n = words.hashes.shape[:2]
    hidden = torch.zeros(b, length, states[0].shape[1])
    mask = torch.zeros(b, length, dtype=torch.long)
    there = torch.zeros(b, n, dtype=torch.bool)
    tags = torch.zeros(b, n, dtype=torch.long)
    for i, (window, state) in enumerate(zip(windows, states, strict=True)):
        hidden[i, : len(state)] = state.float()
        mask[i, : len(state)] = 1
        there[i, : len(window.words)] = True
        if window.tags is not None:
            tags[i, : len(window.words)] = torch.tensor(window.tags)
    return Batch(
        states=hidden,
        pieces=mask,
        words=there,
        tags=tags,
        owner=torch.from_numpy(words.owner),
        hashes=torch.from_numpy(words.hashes),
        flags=torch.from_numpy(words.flags),
        characters=torch.from_numpy(words.characters),
        lexicon=torch.from_numpy(words.lexicon),
    )
