"""Profile of a window of tickets: the few numbers that drift is later judged by."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

CONFIDENCE_BINS = 20
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class TargetProfile(BaseModel):
    """What was answered for one target.

    `labels` are shares of the most probable class, `confidence` shares of tickets in equal-width
    bins of [0, 1], `automatic` the share routed without a person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: dict[str, float]
    confidence: tuple[float, ...]
    automatic: float | None = Field(default=None, ge=0, le=1)


class Profile(BaseModel):
    """A window of tickets, without any of their texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tickets: int = Field(ge=1)
    targets: dict[str, TargetProfile]
    languages: dict[str, float]
    length_quantiles: dict[str, float] = Field(description="characters, by quantile")
    mean_embedding: tuple[float, ...] | None = None
    entities: dict[str, float] = Field(
        default={}, description="share of tickets that name each kind"
    )
    unknown_words: float | None = Field(
        default=None, ge=0, le=1, description="mean share of a ticket's words that are not learned"
    )

    @model_validator(mode="after")
    def _shares_are_whole(self) -> Self:
        shares = [self.languages, *(target.labels for target in self.targets.values())]
        if any(abs(sum(share.values()) - 1) > 1e-6 for share in shares):
            raise ValueError("the shares of languages and labels must sum to 1")
        return self


def make_profile(
    texts: Sequence[str],
    probabilities: Mapping[str, NDArray[np.floating]],
    targets: Mapping[str, Sequence[str]],
    languages: Sequence[str | None],
    automatic: Mapping[str, NDArray[np.bool_]] | None = None,
    embeddings: NDArray[np.floating] | None = None,
    entities: Mapping[str, float] | None = None,
    unknown_words: float | None = None,
) -> Profile:
    """Profile of the tickets of a window.

    Parameters
    ----------
    probabilities : target -> shape (n, k), columns as in `targets`
    automatic : target -> bool array of shape (n,), what was routed without a person
    embeddings : shape (n, d)
    entities : kind -> share of tickets that name one
    unknown_words : mean share of a ticket's words that training has not seen

    Raises
    ------
    ValueError
        If the window is empty.
    """
    if not texts:
        raise ValueError("a window without tickets has no profile")
    routed = automatic or {}
    lengths = np.quantile([len(text) for text in texts], QUANTILES)
    spoken = [language or "unknown" for language in languages]
    return Profile(
        tickets=len(texts),
        targets={
            target: _target_profile(matrix, targets[target], routed.get(target))
            for target, matrix in probabilities.items()
        },
        languages={name: spoken.count(name) / len(spoken) for name in sorted(set(spoken))},
        length_quantiles={
            f"{quantile:g}": float(value)
            for quantile, value in zip(QUANTILES, lengths, strict=True)
        },
        mean_embedding=None
        if embeddings is None
        else tuple(round(float(value), 6) for value in embeddings.mean(axis=0)),
        entities=dict(entities or {}),
        unknown_words=unknown_words,
    )


def read_profile(path: Path) -> Profile:
    """A profile from its JSON file."""
    return Profile.model_validate_json(path.read_text(encoding="utf-8"))


def _target_profile(
    matrix: NDArray[np.floating], classes: Sequence[str], automatic: NDArray[np.bool_] | None
) -> TargetProfile:
    n = len(matrix)
    labels = np.bincount(matrix.argmax(axis=1), minlength=len(classes)) / n
    confidence, _ = np.histogram(matrix.max(axis=1), bins=CONFIDENCE_BINS, range=(0, 1))
    return TargetProfile(
        labels={name: float(share) for name, share in zip(classes, labels, strict=True)},
        confidence=tuple(float(share) for share in confidence / n),
        automatic=None if automatic is None else float(automatic.mean()),
    )
