"""Tickets as a network reads them: token ids, class positions, batches, padding."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from models.base import Labels

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

IGNORED = -100
"""Class index of a missing label; cross entropy passes it over."""


def tokenise(encoder: "SentenceTransformer", texts: Sequence[str]) -> list[list[int]]:
    """Token ids per text, cut at the encoder's longest length, special tokens included."""
    ids: list[list[int]] = encoder.tokenizer(
        list(texts), truncation=True, max_length=encoder.max_seq_length
    )["input_ids"]
    return ids


def encode_labels(targets: dict[str, tuple[str, ...]], labels: Labels) -> torch.Tensor:
    """Class positions, shape (n, n_targets); IGNORED where a label is missing or not a class."""
    columns = []
    for target, names in targets.items():
        position = {name: i for i, name in enumerate(names)}
        columns.append([position.get(label or "", IGNORED) for label in labels[target]])
    return torch.tensor(columns, dtype=torch.long).T.contiguous()


def bucketed_batches(
    tokens: Sequence[Sequence[int]], size: int, seed: int
) -> list[NDArray[np.int64]]:
    """Batches of positions in random order; within a pool of 50 batches, like lengths together."""
    random = np.random.default_rng(seed)
    lengths = np.array([len(t) for t in tokens])
    order = random.permutation(len(tokens))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), size * 50):
        pool = order[start : start + size * 50]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    return [batches[i] for i in random.permutation(len(batches))]


def batches_by_length(tokens: Sequence[Sequence[int]], size: int = 64) -> list[NDArray[np.int64]]:
    """Batches of positions, the shortest texts first."""
    order = np.argsort([len(t) for t in tokens], kind="stable")
    return [order[start : start + size] for start in range(0, len(order), size)]


def pad_tokens(
    tokens: Sequence[Sequence[int] | NDArray[np.int64]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, both of shape (b, length)."""
    return _pad([torch.as_tensor(found) for found in tokens], device)


def pad_states(
    states: Sequence[torch.Tensor], rows: NDArray[np.int64], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states of some rows, shape (b, length, dimension), and mask, shape (b, length)."""
    hidden, mask = _pad([states[row] for row in rows], device)
    return hidden.float(), mask


def _pad(found: Sequence[torch.Tensor], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Tensors that differ in their first axis as one, with the mask of what is filled.

    The length is a multiple of 8: the processor's matrix library keeps memory for each shape it has
    met, which grew a training run by a gigabyte and more.
    """
    lengths = torch.tensor([len(one) for one in found])
    padded = torch.nn.utils.rnn.pad_sequence(list(found), batch_first=True)
    behind = [0, 0] * (padded.dim() - 2) + [0, -padded.shape[1] % 8]
    padded = torch.nn.functional.pad(padded, behind)
    mask = (torch.arange(padded.shape[1])[None, :] < lengths[:, None]).long()
    return padded.to(device), mask.to(device)
