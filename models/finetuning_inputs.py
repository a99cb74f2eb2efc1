"""Texts as the fine-tuned network reads them: token ids or kept states, sampled and pooled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from models.base import Labels, Progress
from models.batching import batches_by_length, encode_labels, pad_states, pad_tokens, tokenise
from models.frozen_states import FrozenStates, pass_layers
from models.precision import reduced_precision

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Drawn = Sequence[NDArray[np.int64] | None]
"""Positions of the tokens to be read, for each row; None: all of them."""

ROUNDED = 4
"""Sampled states are padded to a multiple of this many tokens; see `pad_sampled`."""


@dataclass(frozen=True)
class Inputs:
    """Texts as the network reads them, with the classes it is to find.

    `states`, where there are any, are those above the `frozen_layers`; `truth` has shape
    (n, n_targets).
    """

    tokens: list[list[int]]
    states: list[torch.Tensor] | None
    frozen_layers: int
    truth: torch.Tensor


@dataclass(frozen=True)
class Sampling:
    """Which tokens of a long text one training step learns from.

    The mean over a sample of the tokens estimates the mean over all; another sample is drawn each
    time, and each token keeps its place. Beyond frozen layers a token's state tells of all tokens
    around it; where none is frozen, of the drawn ones. Leaving tokens out in training alone: Liu et
    al., "PatchDropout: economizing vision transformers using patch dropout", WACV 2023.

    Parameters
    ----------
    most : tokens a step learns from; shorter texts are learned whole
    seed : of the fit
    """

    most: int
    seed: int

    def drawn(self, lengths: Sequence[int], step: int) -> Drawn:
        """Positions for each text of a batch, in order; None where all are learned from."""
        random = np.random.default_rng((self.seed, step))
        return [
            np.sort(random.choice(length, self.most, replace=False)) if length > self.most else None
            for length in lengths
        ]


def read_inputs(
    encoder: "SentenceTransformer",
    targets: dict[str, tuple[str, ...]],
    texts: Sequence[str],
    labels: Labels,
    frozen: FrozenStates | None,
    progress: Progress | None = None,
) -> Inputs:
    """Tokenise the texts, pass them through the frozen layers, look up their classes."""
    tokens = tokenise(encoder, texts)
    states = frozen.of(encoder, texts, tokens, progress) if frozen else None
    return Inputs(tokens, states, frozen.layers if frozen else 0, encode_labels(targets, labels))


def pooled(
    encoder: "SentenceTransformer",
    inputs: Inputs,
    rows: NDArray[np.int64],
    drawn: Drawn | None = None,
) -> torch.Tensor:
    """Mean-pooled vectors of some rows, shape (b, dimension).

    Parameters
    ----------
    drawn : the tokens that are read; each keeps the place it has in its text
    """
    network, device = encoder[0].auto_model, encoder.device
    with reduced_precision(device.type):
        if inputs.states is None:
            ids, places, mask = pad_drawn([inputs.tokens[row] for row in rows], drawn, device)
            hidden = network(
                input_ids=ids, position_ids=places, attention_mask=mask
            ).last_hidden_state
        else:
            if drawn is None:
                hidden, mask = pad_states(inputs.states, rows, device)
            else:
                hidden, mask = pad_sampled(inputs.states, rows, drawn, device)
            hidden = pass_layers(
                network, hidden, mask, inputs.frozen_layers, len(network.encoder.layer)
            )
    weight = mask.unsqueeze(-1)
    mean: torch.Tensor = (hidden.float() * weight).sum(1) / weight.sum(1)
    return mean


def pad_drawn(
    tokens: Sequence[Sequence[int]], drawn: Drawn | None, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids of the drawn tokens, their places in the text, and mask, each of shape (b, length)."""
    places = [np.arange(len(ids)) for ids in tokens]
    if drawn is not None:
        places = [
            whole if some is None else some for whole, some in zip(places, drawn, strict=True)
        ]
    ids, mask = pad_tokens(
        [np.asarray(ids)[some] for ids, some in zip(tokens, places, strict=True)], device
    )
    return ids, pad_tokens(places, device)[0], mask


def pad_sampled(
    states: Sequence[torch.Tensor],
    rows: NDArray[np.int64],
    drawn: Drawn,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """States of the drawn tokens, shape (b, length, dimension), and mask, shape (b, length).

    A sample is short, so its length is rounded up less than that of whole texts: there are as few
    shapes, and fewer empty places.
    """
    found = [
        states[row] if positions is None else states[row][torch.from_numpy(positions)]
        for row, positions in zip(rows, drawn, strict=True)
    ]
    lengths = torch.tensor([len(one) for one in found])
    longest = -(-int(lengths.max()) // ROUNDED) * ROUNDED
    hidden = torch.zeros(len(found), longest, found[0].shape[1])
    for place, one in zip(hidden, found, strict=True):
        place[: len(one)] = one
    mask = (torch.arange(longest)[None, :] < lengths[:, None]).long()
    return hidden.to(device), mask.to(device)


def encode_frozen(
    encoder: "SentenceTransformer", texts: Sequence[str], frozen: FrozenStates
) -> NDArray[np.float32]:
    """Mean-pooled vectors, shape (n, dimension), by way of the kept states of the texts."""
    vectors = np.zeros((len(texts), encoder.get_embedding_dimension() or 0), dtype=np.float32)
    tokens = tokenise(encoder, texts)
    states = frozen.of(encoder, texts, tokens)
    inputs = Inputs(tokens, states, frozen.layers, torch.empty(len(texts), 0, dtype=torch.long))
    with torch.inference_mode():
        for rows in batches_by_length(inputs.tokens):
            vectors[rows] = pooled(encoder, inputs, rows).cpu().numpy()
    return vectors
