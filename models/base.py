"""What every member of the ensemble promises: encode once, answer all targets."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]
"""Shape (n_texts, n_classes); rows sum to 1; columns follow the target's class order."""

Features = Any
"""Shape (n_texts, n_features): a float32 array, or a scipy CSR matrix for `linear`."""

Labels = Mapping[str, Sequence[str | None]]
"""Target name -> one label per text; None where the label is missing."""

Progress = Callable[[float, str], None]
"""Called with the share done in [0, 1] and a short text while something long runs."""


class Member(Protocol):
    """One encoder with a head per target.

    There is no `predict`: choosing a label needs a threshold, and that is the routing policy's
    business.
    """

    targets_: dict[str, tuple[str, ...]]
    """Target -> class names, in column order."""

    def fit(self, texts: Sequence[str], labels: Labels) -> Self: ...

    def encode(self, texts: Sequence[str]) -> Features: ...

    def predict_features(self, features: Features) -> dict[str, Probabilities]: ...

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]: ...

    def save(self, folder: Path) -> None: ...

    @classmethod
    def load(cls, folder: Path) -> Self: ...


def classes_of(labels: Labels) -> dict[str, tuple[str, ...]]:
    """Target -> sorted distinct labels that occur, missing ones left out."""
    return {
        target: tuple(sorted({label for label in column if label is not None}))
        for target, column in labels.items()
    }


def align_columns(
    probabilities: Probabilities, found: Sequence[str], wanted: Sequence[str]
) -> Probabilities:
    """The same rows with a column for each wanted class; one never seen in training gets 0."""
    aligned = np.zeros((len(probabilities), len(wanted)))
    for column, name in enumerate(found):
        aligned[:, wanted.index(name)] = probabilities[:, column]
    return aligned
