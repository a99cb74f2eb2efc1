"""The linear member: TF-IDF of words and characters, logistic regression per target."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix, hstack

from data.errors import BundleError, NotFittedError
from models.base import Labels, Probabilities, classes_of
from models.heads import Head, fit_head, load_heads, predict_head, save_heads
from models.term_features import TermReader, Terms

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

KINDS = ("words", "characters")

_Weighed = tuple[dict[str, int], NDArray[np.float32]]
"""N-grams with their columns, and the weight of each column."""


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

    @property
    def reader(self) -> TermReader:
        """Reads texts as the features of the heads.

        Raises
        ------
        NotFittedError
            Before `fit` and `load`.
        """
        if not self.targets_:
            raise NotFittedError("LinearMember")
        return self._reader

    @property
    def heads(self) -> dict[str, Head]:
        """Target -> head; raises NotFittedError as `reader` does."""
        if not self.targets_:
            raise NotFittedError("LinearMember")
        return self._heads

    def fit(self, texts: Sequence[str], labels: Labels) -> Self:
        """Learn vocabulary, weights of terms and one head per target."""
        vectorisers = self._new_vectorisers(len(texts))
        features = hstack([v.fit_transform(texts) for v in vectorisers]).tocsr()
        self._heads = {t: fit_head(features, column, self.params.C) for t, column in labels.items()}
        self._reader = self._new_reader(
            [
                (
                    {str(term): int(column) for term, column in v.vocabulary_.items()},
                    np.asarray(v.idf_, dtype=np.float32),
                )
                for v in vectorisers
            ]
        )
        self.targets_ = classes_of(labels)
        return self

    def _new_vectorisers(self, n_texts: int) -> "list[TfidfVectorizer]":
        # Only who learns needs scikit-learn: it takes a second to import, and 100 MB.
        from sklearn.feature_extraction.text import TfidfVectorizer

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

    def _new_reader(
        self, found: Sequence[tuple[dict[str, int], NDArray[np.float32]]]
    ) -> TermReader:
        """Reader of n-grams with their columns and weights, in the order of `KINDS`."""
        ranges = (self.params.words, self.params.characters)
        words, characters = (
            Terms(low, high, columns, idf)
            for (low, high), (columns, idf) in zip(ranges, found, strict=True)
        )
        return TermReader(words, characters)

    def encode(self, texts: Sequence[str]) -> csr_matrix:
        """TF-IDF of words beside TF-IDF of characters, shape (n, n_features)."""
        return self.reader.encode(texts)

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]:
        """Target -> probabilities of shape (n, n_classes)."""
        return self.predict_features(self.encode(texts))

    def predict_features(self, features: csr_matrix) -> dict[str, Probabilities]:
        """The same from features that `encode` gave earlier."""
        return {target: predict_head(head, features) for target, head in self.heads.items()}

    def save(self, folder: Path) -> None:
        """Write member.json, terms.json, idf.safetensors and heads.safetensors."""
        reader = self.reader
        folder.mkdir(parents=True, exist_ok=True)
        kinds = dict(zip(KINDS, (reader.words, reader.characters), strict=True))
        terms = {n: sorted(kind.columns, key=kind.columns.__getitem__) for n, kind in kinds.items()}
        text = json.dumps(terms, ensure_ascii=False, indent=0)
        (folder / "terms.json").write_text(text, encoding="utf-8")
        save_file({n: kind.idf for n, kind in kinds.items()}, folder / "idf.safetensors")
        save_heads(self.heads, folder)
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
        found = []
        for name in KINDS:
            if len(terms[name]) != len(weights[name]):
                raise BundleError(f"terms.json and idf.safetensors disagree on {name}")
            columns = {term: i for i, term in enumerate(terms[name])}
            found.append((columns, weights[name].astype(np.float32, copy=False)))
        member._reader = member._new_reader(found)
        member._heads = load_heads(folder, member.targets_)
        return member
