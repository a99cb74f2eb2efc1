"""Embeddings of the words that occur, in place of a whole vocabulary, while a network learns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PADDING = 0
"""Id that fills up a batch, before and after."""


class UsedWords:
    """Shrinks the word embeddings of a network to the ids that occur, until `restore`.

    The optimiser passes over each weight in each step, whether a text held the word or not, and
    the gradient is as large as the table. Words that do not occur keep what they were.

    Parameters
    ----------
    network : changed in place
    documents : token ids of all texts that the network is to read until `restore`
    """

    def __init__(self, network: "PreTrainedModel", documents: Sequence[Sequence[int]]) -> None:
        self._network = network
        self._whole = network.get_input_embeddings()
        weight = self._whole.weight
        occurs = np.zeros(len(weight), dtype=bool)
        occurs[PADDING] = True
        for document in documents:
            occurs[document] = True
        self._used = np.flatnonzero(occurs)
        self._place = np.cumsum(occurs) - 1
        with torch.no_grad():
            table = torch.nn.Embedding(len(self._used), weight.shape[1], padding_idx=PADDING)
            table = table.to(weight.device, weight.dtype)
            table.weight.copy_(weight[torch.from_numpy(self._used)])
        network.set_input_embeddings(table)

    def of(self, documents: Sequence[Sequence[int]]) -> list[list[int]]:
        """The ids of these texts in the smaller table."""
        place = self._place
        return [place[document].tolist() for document in documents]

    def restore(self) -> None:
        """Write what was learned into the whole table and put that back."""
        learned = self._network.get_input_embeddings().weight
        with torch.no_grad():
            self._whole.weight[torch.from_numpy(self._used)] = learned
        self._network.set_input_embeddings(self._whole)
