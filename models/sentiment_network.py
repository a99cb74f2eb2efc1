"""The network of the sentiment reader: trained copies of the encoder's upper layers, and a head."""

import copy
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from models.batching import batches_by_length, pad_tokens
from models.encoders import reduced_precision
from models.frozen_states import pass_layers

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class TowerParams(BaseModel):
    """What the network and its training may be told; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = Field(default="minilm", description="a name in models.encoders.ENCODERS")
    frozen_layers: int = Field(
        default=3, ge=0, description="lowest layers left as they are; the embeddings always are"
    )
    upper_layers: int = Field(default=2, ge=1, description="trained copies of those above")
    max_tokens: int = Field(default=128, ge=8, le=512, description="longer texts are cut here")
    epochs: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0, description="of the upper layers, at its peak")
    head_rate: float = Field(default=10.0, gt=0, description="of the head, in that of the layers")
    batch_size: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.06, ge=0, lt=1, description="share of steps")
    clip: float = Field(default=1.0, gt=0, description="largest gradient norm")


class SentimentNetwork(torch.nn.Module):
    """From the states of the frozen layers to scores of the classes.

    Parameters
    ----------
    encoder_network : the encoder's transformer; its layers are copied, never changed

    Raises
    ------
    ValueError
        If the encoder has fewer layers than are asked for.
    """

    def __init__(self, encoder_network: Any, n_classes: int, params: TowerParams) -> None:
        super().__init__()
        first, stop = params.frozen_layers, params.frozen_layers + params.upper_layers
        there = len(encoder_network.encoder.layer)
        if stop > there:
            raise ValueError(f"layers up to {stop} are asked for; {params.encoder} has {there}")
        self.upper = copy.deepcopy(encoder_network.encoder.layer[first:stop])
        self.upper.requires_grad_(True)
        for module in self.upper.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = params.dropout
        dimension = encoder_network.config.hidden_size
        self.dropout = torch.nn.Dropout(params.dropout)
        self.head = torch.nn.Linear(dimension, n_classes)
        self._stack = SimpleNamespace(
            config=encoder_network.config, encoder=SimpleNamespace(layer=self.upper)
        )

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Scores of shape (b, n_classes) from states (b, length, dimension), mask (b, length)."""
        with reduced_precision(states.device.type):
            hidden = pass_layers(self._stack, states, mask, 0, len(self.upper))
        weight = mask.unsqueeze(-1)
        pooled = (hidden.float() * weight).sum(1) / weight.sum(1)
        scores: torch.Tensor = self.head(self.dropout(pooled))
        return scores


@torch.inference_mode()
def lower_states(
    encoder: "SentenceTransformer", texts: Sequence[str], layers: int, max_tokens: int
) -> list[torch.Tensor]:
    """What embeddings and lowest layers make of texts: half precision, shape (length, dimension).

    Parameters
    ----------
    layers : 0 leaves the embeddings
    max_tokens : longer texts are cut here, special tokens included
    """
    if not texts:
        return []
    network, device = encoder[0].auto_model, encoder.device
    tokens = encoder.tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
    states: list[torch.Tensor] = [torch.empty(0)] * len(tokens)
    for rows in batches_by_length(tokens):
        ids, mask = pad_tokens([tokens[row] for row in rows], device)
        with reduced_precision(device.type):
            hidden = pass_layers(network, network.embeddings(input_ids=ids), mask, 0, layers)
        for row, found in zip(rows, hidden.cpu(), strict=True):
            states[row] = found[: len(tokens[row])].half().clone()
    return states
