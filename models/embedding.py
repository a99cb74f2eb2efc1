"""The embedding member: a frozen sentence encoder, logistic regression per target."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from data.errors import ModelError, NotFittedError
from models.base import Labels, Probabilities, classes_of
from models.encoders import TorchEncoder, find_encoder, open_torch_encoder
from models.heads import fit_head, load_heads, predict_head, save_heads
from models.runtime import OpenEncoder, TextEncoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class EmbeddingParams(BaseModel):
    """What the embedding member may be told; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = Field(default="minilm", description="a name in models.encoders.ENCODERS")
    max_tokens: int = Field(default=128, ge=8, le=512, description="longer texts are cut here")
    C: float = Field(default=10.0, gt=0, description="inverse strength of the L2 penalty")


class EmbeddingMember:
    """Knows that "cannot log in" and "sign-on fails" are the same complaint.

    The encoder never changes, so its vectors also serve drift, novelty and similar tickets.

    Attributes
    ----------
    targets_ : target -> class names, in column order
    """

    def __init__(self, params: EmbeddingParams | None = None) -> None:
        self.params = params or EmbeddingParams()
        self.targets_: dict[str, tuple[str, ...]] = {}
        self._encoder: TextEncoder | None = None

    def fresh(self) -> "EmbeddingMember":
        """An unfitted member that shares this one's encoder."""
        member = EmbeddingMember(self.params)
        member._encoder = self._encoder
        return member

    def fit(self, texts: Sequence[str], labels: Labels) -> Self:
        """Encode the texts once and learn one head per target."""
        return self.fit_features(self.encode(texts), labels)

    def fit_features(self, features: NDArray[np.float32], labels: Labels) -> Self:
        """The same from vectors of shape (n, dimension) that `encode` gave earlier."""
        self._heads = {t: fit_head(features, column, self.params.C) for t, column in labels.items()}
        self.targets_ = classes_of(labels)
        return self

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> NDArray[np.float32]:
        """Vectors of length 1, shape (n, dimension)."""
        if self._encoder is None:
            folder = find_encoder(self.params.encoder)
            self._encoder = open_torch_encoder(folder, self.params.max_tokens, normalise=True)
        if isinstance(self._encoder, TorchEncoder):
            return self._encoder.encode(texts, progress=progress)
        return self._encoder.encode(texts)

    @property
    def model(self) -> "SentenceTransformer":
        """The encoder in torch; ModelError where another runtime stands in for torch."""
        if not isinstance(self._encoder, TorchEncoder):
            raise ModelError("this member answers without torch; load it with the runtime torch")
        return self._encoder.model

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]:
        """Target -> probabilities of shape (n, n_classes)."""
        if not self.targets_:
            raise NotFittedError("EmbeddingMember")
        return self.predict_features(self.encode(texts))

    def predict_features(self, features: NDArray[np.float32]) -> dict[str, Probabilities]:
        """The same from vectors that `encode` gave earlier."""
        return {target: predict_head(head, features) for target, head in self._heads.items()}

    def save(self, folder: Path) -> None:
        """Write member.json, encoder/ (weights included) and heads.safetensors."""
        if not self.targets_ or self._encoder is None:
            raise NotFittedError("EmbeddingMember")
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(str(folder / "encoder"), create_model_card=False)
        save_heads(self._heads, folder)
        facts = {"params": self.params.model_dump(), "targets": self.targets_}
        (folder / "member.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, open_with: OpenEncoder = open_torch_encoder) -> Self:
        """Read what `save` wrote; nothing is looked up elsewhere.

        Parameters
        ----------
        open_with : opens the encoder; one that is not torch's can answer and not be saved
        """
        facts = json.loads((folder / "member.json").read_text(encoding="utf-8"))
        member = cls(EmbeddingParams.model_validate(facts["params"]))
        member.targets_ = {t: tuple(names) for t, names in facts["targets"].items()}
        member._encoder = open_with(folder / "encoder", member.params.max_tokens, normalise=True)
        member._heads = load_heads(folder, member.targets_)
        return member
