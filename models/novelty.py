"""A ticket like none before: how far its features lie from those seen in training.

Nothing is learned from out-of-scope tickets. What is learned is where the known ones lie, and from
held-out known ones how far away a known ticket may be found.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from data.errors import BundleError, ModelError, NotFittedError
from models.conformal import HeldOut, as_scores
from models.distances import (
    ARRAYS,
    DISTANCES,
    Arrays,
    Method,
    Vectors,
    fit_centroids,
    fit_gaussians,
    fit_neighbours,
)

CHUNK = 1024
"""Rows measured at once: with 2,048 neighbours 8 MiB of distances."""

Floats = NDArray[np.float64]

_FACTS = "novelty.json"
_ARRAYS = "novelty.safetensors"


class NoveltyParams(BaseModel):
    """What the detector may be told; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = Field(default="centroids", description="see models.distances")
    shrinkage: float | None = Field(
        default=None, ge=0, le=1, description="of the covariance; null: as Ledoit and Wolf"
    )
    neighbours: int = Field(default=2048, ge=1, description="most rows kept to be neighbours")
    seed: int = 0


class Facts(BaseModel):
    """What is kept of the detector beside its arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    params: NoveltyParams
    dimension: int = Field(gt=0)
    acceptance: float | None = Field(gt=0, lt=1, description="null: no threshold was set")


class NoveltyDetector:
    """Tells tickets unlike all of those it was fitted on.

    Attributes
    ----------
    dimension_ : length of the feature vectors, 0 before `fit`
    held_out_ : what the threshold rests on; None before `set_threshold`
    """

    def __init__(self, params: NoveltyParams | None = None) -> None:
        self.params = params or NoveltyParams()
        self.dimension_ = 0
        self.held_out_: HeldOut | None = None
        self._arrays: Arrays = {}

    def fit(self, features: Vectors, labels: Sequence[int] | None = None) -> Self:
        """Learn where known tickets lie; a threshold set before is forgotten.

        Parameters
        ----------
        features : shape (n, d), of the training tickets
        labels : class positions of shape (n,), a negative one where the label is missing (such a
            row is left out); None: all tickets are of one class

        Raises
        ------
        ModelError
            If no row is left, a feature is no number, or the lengths differ.
        """
        rows = _as_vectors(features)
        given = np.zeros(len(rows), np.int64) if labels is None else np.asarray(labels)
        if given.shape != (len(rows),) or (len(rows) and given.dtype.kind not in "iu"):
            raise ModelError(
                f"labels must be {len(rows)} class positions, got {given.dtype} {given.shape}"
            )
        rows, given = rows[given >= 0], given[given >= 0]
        if not rows.size:
            raise ModelError("needs at least one labelled row with at least one feature")
        _, classes = np.unique(given, return_inverse=True)
        self._arrays = self._learn(rows, classes)
        self.dimension_ = rows.shape[1]
        self.held_out_ = None
        return self

    def _learn(self, rows: Vectors, classes: NDArray[np.int64]) -> Arrays:
        params = self.params
        if params.method == "centroids":
            return fit_centroids(rows, classes)
        if params.method == "neighbours":
            return fit_neighbours(rows, params.neighbours, params.seed)
        background = params.method == "relative"
        return fit_gaussians(rows, classes, params.shrinkage, background=background)

    def score(self, features: Vectors) -> Floats:
        """How novel each row is, shape (n,); higher is more novel.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ModelError
            If the rows are not of the length learned, or a feature is no number.
        """
        if not self.dimension_:
            raise NotFittedError("NoveltyDetector")
        rows = _as_vectors(features)
        if rows.shape[1] != self.dimension_:
            raise ModelError(
                f"{rows.shape[1]} features per row, but {self.dimension_} were learned"
            )
        scores = np.zeros(len(rows))
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            scores[part] = DISTANCES[self.params.method](self._arrays, rows[part])
        return scores

    def set_threshold(self, scores: Floats, acceptance: float = 0.99) -> float:
        """Keep the scores of held-out known tickets; the threshold they give.

        Parameters
        ----------
        scores : shape (n,), of tickets that were not fitted on
        acceptance : share of known tickets that are let pass, at least; in (0, 1)

        Returns
        -------
        The highest score accepted; infinite where n is too small to promise any other.
        """
        self.held_out_ = HeldOut.of(scores, acceptance)
        return self.held_out_.threshold

    def is_novel(self, scores: Floats) -> NDArray[np.bool_]:
        """Whether each score lies above the threshold, shape (n,)."""
        return np.asarray(as_scores(scores) > self._known().threshold)

    def p_value(self, scores: Floats) -> Floats:
        """Share of held-out known tickets at least as novel, shape (n,), in (0, 1]."""
        return self._known().p_value(scores)

    def _known(self) -> HeldOut:
        if self.held_out_ is None:
            raise ModelError("NoveltyDetector has no threshold: call set_threshold first")
        return self.held_out_

    def save(self, folder: Path) -> None:
        """Write novelty.json and novelty.safetensors."""
        if not self.dimension_:
            raise NotFittedError("NoveltyDetector")
        folder.mkdir(parents=True, exist_ok=True)
        known = self.held_out_
        facts = Facts(
            params=self.params,
            dimension=self.dimension_,
            acceptance=known.acceptance if known else None,
        )
        arrays: dict[str, NDArray[np.floating]] = {**self._arrays}
        if known:
            arrays["held_out"] = known.scores
        save_file({n: np.ascontiguousarray(a) for n, a in arrays.items()}, folder / _ARRAYS)
        (folder / _FACTS).write_text(facts.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        BundleError
            If a file is missing, cannot be read, or does not fit the other.
        """
        try:
            text = (folder / _FACTS).read_text(encoding="utf-8")
            facts = Facts.model_validate_json(text)
            arrays = load_file(folder / _ARRAYS)
        except (OSError, ValueError, SafetensorError) as error:
            raise BundleError(f"novelty cannot be read: {type(error).__name__}") from error
        held_out = arrays.pop("held_out", None)
        _check_arrays(facts, arrays, held_out)
        detector = cls(facts.params)
        detector.dimension_ = facts.dimension
        if held_out is not None and facts.acceptance is not None:
            detector.held_out_ = HeldOut.of(held_out, facts.acceptance)
        detector._arrays = arrays
        return detector


def _as_vectors(features: Vectors) -> Vectors:
    rows = np.asarray(features, dtype=np.float32)
    if rows.ndim != 2:
        raise ModelError(f"features must have shape (n, d), got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ModelError("features must be finite numbers")
    return rows


def _check_arrays(facts: Facts, arrays: Arrays, held_out: Floats | None) -> None:
    if (facts.acceptance is None) != (held_out is None):
        raise BundleError(f"{_FACTS} and {_ARRAYS} disagree on whether there is a threshold")
    if held_out is not None and (held_out.ndim != 1 or np.isnan(held_out).any()):
        raise BundleError(f"held_out in {_ARRAYS} is no list of numbers")
    wanted = ARRAYS[facts.params.method]
    if set(arrays) != set(wanted):
        raise BundleError(f"{_ARRAYS} holds {sorted(arrays)}, not {sorted(wanted)}")
    for name, array in arrays.items():
        fits = array.ndim == 2 and len(array) > 0 and array.shape[1] == facts.dimension
        if not fits or not np.isfinite(array).all():
            raise BundleError(f"{name} in {_ARRAYS} is not finite or not {facts.dimension} wide")
