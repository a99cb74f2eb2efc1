"""The linear member: TF-IDF of words and characters, logistic regression per target."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from data.errors import BundleError, NotFittedError
from models.base import Labels, Probabilities, classes_of
from models.heads import fit_head, load_heads, predict_head, save_heads

KINDS = ("words", "characters")


class LinearParams(BaseModel):
    """What the linear member may be told; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[int, int] = Field(default=(1, 2), description="shortest and longest word n-gram")
    characters: tuple[int, int] = Field(default=(3, 5), description="same, characters in a word")
    max_features: int = Field(default=150_000, gt=0, description="kept of each kind")
    min_df: int = Field(default=3, gt=0, description="tickets an n-gram must occur in")
    C: float = Field(default=10.0, gt=0, description="inverse strength of the L2 penalty")


class LinearMember:
    """Knows no grammar and no synonyms, but every product name and error code it has seen.

    Attributes
    ----------
    targets_ : target -> class names, in column order
    """

    def __init__(self, params: LinearParams | None = None) -> None:
        self.params = params or LinearParams()
        self.targets_: dict[str, tuple[str, ...]] = {}

    def fit(self, texts: Sequence[str], labels: Labels) -> Self:
        """Learn vocabulary, weights of terms and one head per target."""
        self._vectorisers = self._new_vectorisers(len(texts))
        features = hstack([v.fit_transform(texts) for v in self._vectorisers]).tocsr()
        self._heads = {t: fit_head(features, column, self.params.C) for t, column in labels.items()}
        self.targets_ = classes_of(labels)
        return self

    def _new_vectorisers(self, n_texts: int) -> list[TfidfVectorizer]:
        # A demand of 3 tickets per n-gram would leave a vocabulary of a few tickets empty.
        min_df = self.params.min_df if n_texts >= 100 else 1
        words = TfidfVectorizer(
            ngram_range=self.params.words,
            min_df=min_df,
            max_features=self.params.max_features,
            sublinear_tf=True,
            dtype=np.float32,
        )
        characters = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=self.params.characters,
            min_df=min_df,
            max_features=self.params.max_features,
            sublinear_tf=True,
            dtype=np.float32,
        )
        return [words, characters]

    def encode(self, texts: Sequence[str]) -> csr_matrix:
        """TF-IDF of words beside TF-IDF of characters, shape (n, n_features)."""
        if not self.targets_:
            raise NotFittedError("LinearMember")
        if not texts:
            return csr_matrix((0, sum(len(v.vocabulary_) for v in self._vectorisers)))
        return hstack([v.transform(texts) for v in self._vectorisers]).tocsr()

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]:
        """Target -> probabilities of shape (n, n_classes)."""
        return self.predict_features(self.encode(texts))

    def predict_features(self, features: csr_matrix) -> dict[str, Probabilities]:
        """The same from features that `encode` gave earlier."""
        return {target: predict_head(head, features) for target, head in self._heads.items()}

    def save(self, folder: Path) -> None:
        """Write member.json, terms.json, idf.safetensors and heads.safetensors."""
        if not self.targets_:
            raise NotFittedError("LinearMember")
        folder.mkdir(parents=True, exist_ok=True)
        terms = {
            name: sorted(vectoriser.vocabulary_, key=vectoriser.vocabulary_.__getitem__)
            for name, vectoriser in zip(KINDS, self._vectorisers, strict=True)
        }
        text = json.dumps(terms, ensure_ascii=False, indent=0)
        (folder / "terms.json").write_text(text, encoding="utf-8")
        weights = {n: v.idf_ for n, v in zip(KINDS, self._vectorisers, strict=True)}
        save_file(weights, folder / "idf.safetensors")
        save_heads(self._heads, folder)
        facts = {"params": self.params.model_dump(), "targets": self.targets_}
        (folder / "member.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises BundleError where a file is not what it should be."""
        facts = json.loads((folder / "member.json").read_text(encoding="utf-8"))
        member = cls(LinearParams.model_validate(facts["params"]))
        member.targets_ = {t: tuple(names) for t, names in facts["targets"].items()}
        terms = json.loads((folder / "terms.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "idf.safetensors")
        member._vectorisers = member._new_vectorisers(0)
        for name, vectoriser in zip(KINDS, member._vectorisers, strict=True):
            if len(terms[name]) != len(weights[name]):
                raise BundleError(f"terms.json and idf.safetensors disagree on {name}")
            vectoriser.vocabulary_ = {term: i for i, term in enumerate(terms[name])}
            vectoriser.idf_ = weights[name]
        member._heads = load_heads(folder, member.targets_)
        return member
