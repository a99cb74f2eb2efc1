"""The network of the tagger: upper layers of the encoder, a word's own form, a chain of tags."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from models.frozen_states import pass_layers
from models.precision import reduced_precision
from models.tagger_crf import Chain
from models.tagger_features import ALPHABET, FLAGS, HASH_ROWS, PARTS


class TaggerParams(BaseModel):
    """What the tagger may be told; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = Field(default="minilm", description="a name in models.encoders.ENCODERS")
    frozen_layers: int = Field(default=3, ge=1, description="lowest layers, left as they are")
    upper_layers: int = Field(default=3, ge=1, description="trained copies of those above")
    max_pieces: int = Field(default=128, ge=32, le=512, description="word pieces of a window")
    epochs: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0, description="of the upper layers")
    head_rate: float = Field(default=7.0, gt=0, description="of everything else, in the former")
    batch_pieces: int = Field(default=700, ge=128, description="word pieces of a batch, padded")
    dropout: float = Field(default=0.2, ge=0, le=0.9)
    layer_dropout: float = Field(default=0.1, ge=0, le=0.9, description="inside the upper layers")
    word_dropout: float = Field(
        default=0.2, ge=0, lt=1, description="share of words that are not recognised in training"
    )
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.06, ge=0, lt=1, description="share of steps")
    clip: float = Field(default=1.0, gt=0, description="largest gradient norm")
    table_width: int = Field(default=24, ge=1)
    character_width: int = Field(default=64, ge=1)
    form_width: int = Field(default=128, ge=1)
    hidden_width: int = Field(default=256, ge=1)


@dataclass(frozen=True)
class Batch:
    """Windows as the network reads them; b windows, up to `pieces` word pieces and `words` words.

    states : hidden states of the frozen layers, shape (b, pieces, dimension)
    pieces : which pieces are there, shape (b, pieces)
    owner : owner[i, w, p] is 1 where piece p belongs to word w, shape (b, words, pieces)
    words : which words are there, bool of shape (b, words)
    hashes, flags, characters, lexicon : what words show, shapes (b, words, ...)
    tags : positions of the tags, shape (b, words); zeros where they are not known
    """

    states: torch.Tensor
    pieces: torch.Tensor
    owner: torch.Tensor
    words: torch.Tensor
    hashes: torch.Tensor
    flags: torch.Tensor
    characters: torch.Tensor
    lexicon: torch.Tensor
    tags: torch.Tensor


class TaggerNetwork(torch.nn.Module):
    """From a batch to scores of each tag at each word."""

    def __init__(
        self,
        encoder_network: Any,
        tags: Sequence[str],
        lexicon_width: int,
        params: TaggerParams,
    ) -> None:
        super().__init__()
        dimension = encoder_network.config.hidden_size
        first, layers = params.frozen_layers, params.upper_layers
        # An encoder that was sealed with a tagger ends below its layers: any does as a form, the
        # weights come from the tagger's own file.
        known = encoder_network.encoder.layer
        rows = [min(row, len(known) - 1) for row in range(first, first + layers)]
        self.upper = torch.nn.ModuleList([copy.deepcopy(known[row]) for row in rows])
        for module in self.upper.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = params.layer_dropout
        self._config = encoder_network.config
        width = params.table_width
        tables = [torch.nn.Embedding(HASH_ROWS, width) for _ in range(PARTS)]
        for table in tables:
            torch.nn.init.normal_(table.weight, std=0.1)
        self.tables = torch.nn.ModuleList(tables)
        self.letters = torch.nn.Embedding(ALPHABET, 24, padding_idx=0)
        self.convolution = torch.nn.Conv1d(24, params.character_width, 3, padding=1)
        shown = PARTS * width + params.character_width + FLAGS + lexicon_width
        self.shown = torch.nn.Sequential(
            torch.nn.LayerNorm(shown),
            torch.nn.Linear(shown, params.form_width * 3),
        )
        self.lift = torch.nn.Linear(params.form_width, dimension)
        torch.nn.init.zeros_(self.lift.weight)
        torch.nn.init.zeros_(self.lift.bias)
        self.hidden = torch.nn.Linear(dimension + params.form_width, params.hidden_width)
        self.emit = torch.nn.Linear(params.hidden_width, len(tags))
        self.chain = Chain(tags)
        self.dropout = torch.nn.Dropout(params.dropout)
        self.word_dropout = params.word_dropout

    def forward(self, batch: Batch) -> torch.Tensor:
        """Emissions, shape (b, words, n_tags)."""
        form = self.form(batch.hashes, batch.flags, batch.characters, batch.lexicon)
        hidden = self.lifted(batch.states, batch.owner, form)
        stack = SimpleNamespace(config=self._config, encoder=SimpleNamespace(layer=self.upper))
        with reduced_precision("cpu"):
            hidden = pass_layers(stack, hidden, batch.pieces, 0, len(self.upper))
        return self.emissions(hidden.float(), batch.owner, form)

    def form(
        self,
        hashes: torch.Tensor,
        flags: torch.Tensor,
        characters: torch.Tensor,
        lexicon: torch.Tensor,
    ) -> torch.Tensor:
        """What each word shows, shape (b, words, form_width)."""
        b, n, _ = hashes.shape
        rows = hashes.view(b, n, PARTS, 2)
        parts = [table(rows[:, :, number]).sum(2) for number, table in enumerate(self.tables)]
        if self.training and self.word_dropout:
            known = (torch.rand(b, n, 1) >= self.word_dropout).float()
            parts = [part * known if number < 2 else part for number, part in enumerate(parts)]
            lexicon = lexicon * known
        letters = self.letters(characters.view(b * n, -1)).transpose(1, 2)
        spelled = torch.relu(self.convolution(letters)).amax(2).view(b, n, -1)
        shown = torch.cat([*parts, spelled, flags, lexicon], dim=2)
        made: torch.Tensor = self.shown(self.dropout(shown)).view(b, n, -1, 3)
        return made.amax(3)  # maxout: the best of three, Goodfellow et al., ICML 2013

    def lifted(self, states: torch.Tensor, owner: torch.Tensor, form: torch.Tensor) -> torch.Tensor:
        """States with what their words show: it enters below the upper layers, whose attention
        then sees case and form as well.
        """
        lifted: torch.Tensor = states + owner.transpose(1, 2) @ self.lift(form)
        return lifted

    def emissions(
        self, hidden: torch.Tensor, owner: torch.Tensor, form: torch.Tensor
    ) -> torch.Tensor:
        """Scores of each tag at each word, from the states of the uppermost layer."""
        share = owner / owner.sum(2, keepdim=True).clamp(min=1)
        joined = self.dropout(torch.cat([share @ hidden, form], dim=2))
        found: torch.Tensor = self.emit(self.dropout(torch.nn.functional.gelu(self.hidden(joined))))
        return found
