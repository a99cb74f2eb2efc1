"""The sentiment of a text (negative, neutral, positive), for tickets that carry no such label.

The lower layers of the sentence encoder are left as they are, so that what they make of a text
serves others too; copies of the upper ones are trained, and a linear member votes beside them.
"""

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sklearn.model_selection import train_test_split

from data.errors import BundleError, NotFittedError, UnknownLabelError
from models.base import Probabilities, Progress
from models.batching import batches_by_length, pad_states
from models.encoders import find_encoder, open_encoder
from models.ensemble import Combination, fit_combination
from models.linear import LinearMember, LinearParams
from models.sentiment_network import SentimentNetwork, TowerParams, lower_states
from models.sentiment_training import train_network

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SENTIMENTS = ("negative", "neutral", "positive")
"""The classes, in column order."""

TARGET = "sentiment"
NETWORK, TERMS = "network", "terms"

_SERVED = 512
"""Texts whose states are held at once when reading; bounds the memory of a long list."""


class SentimentParams(BaseModel):
    """What the sentiment reader may be told; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tower: TowerParams = TowerParams()
    terms: LinearParams = LinearParams(min_df=2, characters=(3, 4))
    network_weight: float = Field(
        default=0.75, ge=0, le=1, description="of the network in the mean; the rest is the terms'"
    )
    held_out: float = Field(
        default=0.1, gt=0, lt=0.5, description="share the temperatures are fitted on"
    )


class SentimentReader:
    """Reads whether a text is displeased, matter-of-fact or content.

    Parameters
    ----------
    encoder : shares an encoder that is open already, the published one, not normalised; it is
        read and never changed

    Attributes
    ----------
    classes_ : class names in column order
    """

    classes_ = SENTIMENTS

    def __init__(
        self,
        params: SentimentParams | None = None,
        *,
        seed: int = 0,
        encoder: "SentenceTransformer | None" = None,
    ) -> None:
        self.params = params or SentimentParams()
        self.seed = seed
        self._encoder = encoder
        self._network: SentimentNetwork | None = None

    def fit(
        self, texts: Sequence[str], labels: Sequence[str], *, progress: Progress | None = None
    ) -> Self:
        """Learn from texts as `data.text.model_text` gives them.

        The temperatures come from a part that neither network nor terms have seen; the linear
        member, which is quick, is then fitted again with that part.

        Raises
        ------
        UnknownLabelError
            If a label is none of `classes_`.
        ValueError
            If texts and labels differ in length, or a sentiment is too rare to be held out.
        """
        truth = _positions(texts, labels)
        needed = int(np.ceil(1 / self.params.held_out))
        if np.bincount(truth, minlength=len(SENTIMENTS)).min() < needed:
            raise ValueError(f"each of {', '.join(SENTIMENTS)} needs at least {needed} texts")
        read = [name_pictures(text) for text in texts]
        known, unseen = train_test_split(
            np.arange(len(read)),
            test_size=self.params.held_out,
            stratify=truth,
            random_state=self.seed,
        )
        states = self._states(read)
        network = self._new_network()
        train_network(
            network,
            [states[i] for i in known],
            truth[known],
            self.params.tower,
            self.seed,
            progress,
        )
        terms = self._fit_terms([read[i] for i in known], truth[known])
        answers = {
            NETWORK: _answer(network, [states[i] for i in unseen]),
            TERMS: terms.predict_proba([read[i] for i in unseen])[TARGET],
        }
        weight = self.params.network_weight
        weights = {NETWORK: weight, TERMS: 1 - weight}
        self._combination = fit_combination(answers, truth[unseen], 0.0, weights)
        self._terms = self._fit_terms(read, truth)
        self._network = network
        return self

    def predict_proba(
        self, texts: Sequence[str], states: Sequence[torch.Tensor] | None = None
    ) -> Probabilities:
        """Calibrated probabilities of shape (n, 3), columns in the order of `classes_`.

        Parameters
        ----------
        texts : as `data.text.model_text` gives them
        states : what `lower_states` gives for these texts, the tower's frozen layers and length,
            where it is there already; texts with pictographs pass the lower layers all the same
        """
        network = self._fitted()
        if not texts:
            return np.zeros((0, len(SENTIMENTS)))
        read = [name_pictures(text) for text in texts]
        found = np.zeros((len(texts), len(SENTIMENTS)))
        if states is None:
            for start in range(0, len(read), _SERVED):
                part = slice(start, start + _SERVED)
                found[part] = _answer(network, self._states(read[part]))
        else:
            renamed = [row for row, text in enumerate(texts) if text != read[row]]
            own = dict(zip(renamed, self._states([read[row] for row in renamed]), strict=True))
            found = _answer(network, [own.get(row, one) for row, one in enumerate(states)])
        terms = self._terms.predict_proba(read)[TARGET]
        return self._combination.combine({NETWORK: found, TERMS: terms})

    def save(self, folder: Path) -> None:
        """Write sentiment.json, network.safetensors and terms/; the frozen layers are not there."""
        network = self._fitted()
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(tensors, folder / "network.safetensors")
        self._terms.save(folder / TERMS)
        facts = {
            "params": self.params.model_dump(mode="json"),
            "seed": self.seed,
            "classes": self.classes_,
            "combination": self._combination.model_dump(),
        }
        (folder / "sentiment.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, encoder: "SentenceTransformer | None" = None) -> Self:
        """Read what `save` wrote; the frozen layers are those of `encoder` or of the published one.

        Raises
        ------
        BundleError
            If the files are incomplete or do not fit each other.
        """
        try:
            facts = json.loads((folder / "sentiment.json").read_text(encoding="utf-8"))
            if tuple(facts["classes"]) != SENTIMENTS:
                raise ValueError("classes")
            params = SentimentParams.model_validate(facts["params"])
            reader = cls(params, seed=facts["seed"], encoder=encoder)
            reader._combination = Combination.model_validate(facts["combination"])
            reader._terms = LinearMember.load(folder / TERMS)
            network = reader._new_network()
            network.load_state_dict(load_file(folder / "network.safetensors"))
            reader._network = network.eval()
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise BundleError(
                f"{folder.name} is no sentiment reader: {type(error).__name__}"
            ) from error
        return reader

    def _open(self) -> "SentenceTransformer":
        if self._encoder is None:
            tower = self.params.tower
            folder = find_encoder(tower.encoder)
            self._encoder = open_encoder(folder, tower.max_tokens, normalise=False)
        return self._encoder

    def _states(self, texts: Sequence[str]) -> list[torch.Tensor]:
        tower = self.params.tower
        return lower_states(self._open(), texts, tower.frozen_layers, tower.max_tokens)

    def _new_network(self) -> SentimentNetwork:
        torch.manual_seed(self.seed)
        encoder = self._open()
        network = SentimentNetwork(encoder[0].auto_model, len(SENTIMENTS), self.params.tower)
        return network.to(encoder.device)

    def _fit_terms(self, texts: Sequence[str], truth: NDArray[np.int64]) -> LinearMember:
        labels = [SENTIMENTS[position] for position in truth]
        return LinearMember(self.params.terms).fit(texts, {TARGET: labels})

    def _fitted(self) -> SentimentNetwork:
        if self._network is None:
            raise NotFittedError("SentimentReader")
        return self._network


def name_pictures(text: str) -> str:
    """The text with each pictograph as its Unicode name, which the encoder can read.

    Its vocabulary holds ":" and ")", so that emoticons reach it, but no pictograph.
    """
    if text.isascii():
        return text
    return "".join(
        f" {unicodedata.name(one, '').lower()} " if unicodedata.category(one) == "So" else one
        for one in text
    )


def _positions(texts: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    if len(texts) != len(labels):
        raise ValueError(f"{len(texts)} texts, but {len(labels)} labels")
    for label in labels:
        if label not in SENTIMENTS:
            raise UnknownLabelError(TARGET, label, SENTIMENTS)
    return np.array([SENTIMENTS.index(label) for label in labels], dtype=np.int64)


@torch.inference_mode()
def _answer(network: SentimentNetwork, states: Sequence[torch.Tensor]) -> Probabilities:
    """Probabilities of shape (n, 3) from the states of each text."""
    found = np.zeros((len(states), len(SENTIMENTS)))
    device = network.head.weight.device
    for rows in batches_by_length([range(len(one)) for one in states]):
        scores = network(*pad_states(states, rows, device))
        found[rows] = torch.softmax(scores.double(), dim=1).cpu().numpy()
    return found
