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


def padded_length(lengths: Sequence[int]) -> int:
    """The longest length, rounded up to a multiple of 8.

    Few shapes: the processor's matrix library keeps memory for each one it has met, which grew a
    training run by a gigabyte and more.
    """
    return -(-max(lengths) // 8) * 8


def pad_tokens(
    tokens: Sequence[Sequence[int]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, both of shape (b, padded length)."""
    longest = padded_length([len(t) for t in tokens])
    ids = torch.zeros(len(tokens), longest, dtype=torch.long)
    mask = torch.zeros(len(tokens), longest, dtype=torch.long)
    for position, found in enumerate(tokens):
        ids[position, : len(found)] = torch.tensor(found)
        mask[position, : len(found)] = 1
    return ids.to(device), mask.to(device)


def pad_states(
    states: Sequence[torch.Tensor], rows: NDArray[np.int64], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states of some rows, shape (b, padded length, dimension), and mask, (b, length)."""
    chosen = [states[row] for row in rows]
    longest = padded_length([len(found) for found in chosen])
    hidden = torch.zeros(len(chosen), longest, chosen[0].shape[1])
    mask = torch.zeros(len(chosen), longest, dtype=torch.long)
    for position, found in enumerate(chosen):
        hidden[position, : len(found)] = found
        mask[position, : len(found)] = 1
    return hidden.to(device), mask.to(device)
