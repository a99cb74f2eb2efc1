"""The conformal shortlist: the few classes a person chooses from when a ticket goes to review."""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.base import Probabilities


class Shortlist(BaseModel):
    """All classes at least as probable as a threshold, the best one always among them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coverage: float = Field(description="share of shortlists that hold the right class, at least")
    threshold: float = Field(ge=0, le=1)
    rows: int = Field(description="rows it was computed on; 0: every class is listed")
    method: str = "split conformal, least ambiguous sets, on rows sent to review"

    def candidates(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Class positions for one text of shape (k,), most probable first."""
        order = np.argsort(-probabilities, kind="stable")
        inside = int((probabilities >= self.threshold).sum())
        return order[: max(1, inside)]

    def covers(self, probabilities: Probabilities, truth: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each text's shortlist holds its class, shape (n,)."""
        right = probabilities[np.arange(len(truth)), truth]
        best = probabilities.max(axis=1) == right
        return np.asarray((right >= self.threshold) | best)


def fit_shortlist(
    probabilities: Probabilities, truth: NDArray[np.int64], coverage: float
) -> Shortlist:
    """Split conformal prediction with the score 1 - probability of the right class.

    Sadinle, Lei, Wasserman, "Least Ambiguous Set-Valued Classifiers With Bounded Error Levels",
    JASA 2019; the finite-sample rank is ceil((n + 1) * coverage). With fewer rows than the rank
    needs, every class is listed.

    Parameters
    ----------
    probabilities, truth : shape (n, k) and (n,); the rows must be like those the list will serve
    """
    n = len(truth)
    rank = math.ceil((n + 1) * coverage)
    if n == 0 or rank > n:
        return Shortlist(coverage=coverage, threshold=0.0, rows=n)
    scores = np.sort(1 - probabilities[np.arange(n), truth])
    threshold = float(np.clip(1 - scores[rank - 1], 0.0, 1.0))
    return Shortlist(coverage=coverage, threshold=threshold, rows=n)
