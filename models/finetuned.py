"""The fine-tuned member: the sentence encoder, trained on the tickets, all targets jointly."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from data.errors import BundleError, ModelError, NotFittedError
from models.base import Labels, Probabilities, Progress, classes_of
from models.encoders import (
    TorchEncoder,
    find_encoder,
    keep_layers,
    open_encoder,
    open_torch_encoder,
)
from models.finetuned_params import FinetunedParams
from models.finetuning_means import mean_heads, mean_weights
from models.runtime import OpenEncoder, TextEncoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from models.frozen_states import FrozenStates


class Network(NamedTuple):
    """A tuned encoder and the heads that were trained with it.

    `heads` holds `<target's position>.weight`, shape (k, dimension), and `<position>.bias`.
    """

    encoder: TextEncoder
    heads: dict[str, NDArray[np.float32]]

    @property
    def model(self) -> "SentenceTransformer":
        """The encoder as torch trains it; ModelError where another runtime stands in for torch."""
        if not isinstance(self.encoder, TorchEncoder):
            raise ModelError("this member answers without torch; load it with the runtime torch")
        return self.encoder.model


class FinetunedMember:
    """Knows this organisation's tickets; the strongest member and the slowest to train.

    Parameters
    ----------
    frozen : where several fits share what the frozen layers make of each text

    Attributes
    ----------
    targets_ : target -> class names, in column order
    history_ : one record per look at valid: step, train_loss, valid_loss
    """

    def __init__(
        self,
        params: FinetunedParams | None = None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
        frozen: "FrozenStates | None" = None,
    ) -> None:
        self.params = params or FinetunedParams()
        self.seed = seed
        self.targets_: dict[str, tuple[str, ...]] = {}
        self.history_: list[dict[str, float]] = []
        self._progress = progress
        self._frozen = frozen
        self._networks: list[Network] = []

    def fit(
        self,
        texts: Sequence[str],
        labels: Labels,
        *,
        valid: tuple[Sequence[str], Labels] | None = None,
        checkpoint: Path | None = None,
        start: "Sequence[FinetunedMember]" = (),
        lessons: Collection[str] = (),
        easy: NDArray[np.bool_] | None = None,
    ) -> Self:
        """Train encoder and heads jointly; a missing label adds nothing to the loss.

        Parameters
        ----------
        lessons : targets that are learned beside the others, from texts of their own; in the loss
            of a batch they count by their share of its rows (`params.lesson_weight`)
        easy : texts that are learned in fewer epochs, see `models.easy_rows`, shape (n,)
        start : fitted members whose mean weights are gone on from, and whose classes stay known;
            none: the published encoder.
            Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves
            accuracy without increasing inference time", ICML 2022
        valid : texts and labels the early stopping looks at; without them every epoch is run
        checkpoint : a folder the state is kept in, so that an interrupted fit goes on from it
        """
        from models.finetuning import finetune
        from models.finetuning_processes import open_processes

        open_processes()  # each of several opens the encoder on its own GPU
        self.targets_ = {
            target: tuple(sorted({*names, *(n for one in start for n in one.targets_[target])}))
            for target, names in classes_of(labels).items()
        }
        encoder = open_encoder(
            find_encoder(self.params.encoder), self.params.max_tokens, normalise=False
        )
        if self.params.layers is not None:
            keep_layers(encoder, self.params.layers)
        heads = None
        if start:
            encoder.load_state_dict(mean_weights(start))
            heads = mean_heads(start, self.targets_)
        heads, self.history_ = finetune(
            encoder,
            self.targets_,
            texts,
            labels,
            valid=valid,
            params=self.params,
            seed=self.seed,
            start=heads,
            lessons=lessons,
            easy=easy,
            checkpoint=checkpoint,
            progress=self._progress,
            frozen=self._frozen,
        )
        self._networks = [Network(TorchEncoder(encoder), heads)]
        return self

    @classmethod
    def averaged(cls, members: "Sequence[FinetunedMember]") -> "FinetunedMember":
        """A member with the mean of the weights of members that began with the same ones.

        Wortsman et al., "Model soups", ICML 2022; answers cost what those of one member cost. All
        must know the same classes. The first member's encoder is taken over, not copied.
        """
        first = members[0]
        if any(one.targets_ != first.targets_ for one in members):
            raise ValueError("the weights of members of other classes have no mean")
        if len(members) == 1:
            return first
        same = all(one._frozen is first._frozen for one in members)
        mean = cls(first.params, seed=first.seed, frozen=first._frozen if same else None)
        mean.targets_ = first.targets_
        mean.history_ = [record for one in members for record in one.history_]
        heads = mean_heads(members, first.targets_)
        weights = mean_weights(members)
        encoder = first.models[0]
        encoder.load_state_dict(weights)
        mean._networks = [Network(TorchEncoder(encoder), heads)]
        return mean

    def joined(self, others: "Sequence[FinetunedMember]") -> "FinetunedMember":
        """A member whose answers are the mean of this one's and those of others.

        Lakshminarayanan, Pritzel and Blundell, "Simple and scalable predictive uncertainty
        estimation using deep ensembles", NeurIPS 2017. All must know the same classes.
        """
        # What the frozen layers made of known texts serves where all of them froze the same.
        same = all(one._frozen is self._frozen for one in others)
        member = FinetunedMember(self.params, seed=self.seed, frozen=self._frozen if same else None)
        member.targets_ = self.targets_
        for one in (self, *others):
            if one.targets_ != self.targets_:
                raise ValueError("members of other classes cannot be joined")
            member.history_ += one.history_
            member._networks += one._networks
        return member

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Mean-pooled vectors of the tuned encoder, shape (n, dimension).

        Those of several networks stand side by side.
        """
        if not self._networks:
            raise NotFittedError("FinetunedMember")
        if self._frozen is not None:
            from models.finetuning_inputs import encode_frozen

            return np.hstack([encode_frozen(n.model, texts, self._frozen) for n in self._networks])
        return np.hstack([n.encoder.encode(texts) for n in self._networks])

    @property
    def models(self) -> "list[SentenceTransformer]":
        """The networks' encoders."""
        return [network.model for network in self._networks]

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]:
        """Target -> probabilities of shape (n, n_classes), the mean over the networks."""
        return self.predict_features(self.encode(texts))

    def predict_features(self, features: NDArray[np.float32]) -> dict[str, Probabilities]:
        """The same from vectors that `encode` gave earlier."""
        if not self._networks:
            raise NotFittedError("FinetunedMember")
        parts = np.split(features.astype(np.float64), len(self._networks), axis=1)
        return {
            target: np.mean(
                [
                    _softmax(part @ network.heads[f"{i}.weight"].T + network.heads[f"{i}.bias"])
                    for part, network in zip(parts, self._networks, strict=True)
                ],
                axis=0,
            )
            for i, target in enumerate(self.targets_)
        }

    def save(self, folder: Path) -> None:
        """Write member.json and, for each network, network-<n>/encoder/ and heads.safetensors."""
        if not self._networks:
            raise NotFittedError("FinetunedMember")
        folder.mkdir(parents=True, exist_ok=True)
        for number, network in enumerate(self._networks, start=1):
            own = folder / f"network-{number}"
            network.model.save_pretrained(str(own / "encoder"), create_model_card=False)
            save_file(network.heads, own / "heads.safetensors")
        facts = {
            "params": self.params.model_dump(mode="json"),
            "seed": self.seed,
            "targets": self.targets_,
            "networks": len(self._networks),
            "history": self.history_,
        }
        (folder / "member.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, open_with: OpenEncoder = open_torch_encoder) -> Self:
        """Read what `save` wrote; nothing is looked up elsewhere.

        Parameters
        ----------
        open_with : opens the encoders; one that is not torch's can answer and not be trained
        """
        facts = json.loads((folder / "member.json").read_text(encoding="utf-8"))
        member = cls(FinetunedParams.model_validate(facts["params"]), seed=facts["seed"])
        member.targets_ = {t: tuple(names) for t, names in facts["targets"].items()}
        member.history_ = facts["history"]
        for number in range(1, int(facts["networks"]) + 1):
            own = folder / f"network-{number}"
            encoder = open_with(own / "encoder", member.params.max_tokens, normalise=False)
            heads = load_file(own / "heads.safetensors")
            for i, (target, names) in enumerate(member.targets_.items()):
                if heads[f"{i}.weight"].shape[0] != len(names):
                    raise BundleError(f"{own.name} does not fit the classes of {target}")
            member._networks.append(Network(encoder, heads))
        return member


def _softmax(logits: NDArray[np.float64]) -> Probabilities:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))  # (n, k)
    result: Probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    return result
