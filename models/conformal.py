"""What held-out scores promise about the next one, whatever their distribution."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import ModelError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Scores of known tickets that were not fitted on, and the share of them to be accepted.

    Attributes
    ----------
    scores : rising, shape (n,)
    acceptance : in (0, 1)
    """

    scores: Floats
    acceptance: float

    @classmethod
    def of(cls, scores: Floats, acceptance: float) -> "HeldOut":
        """The same from scores in any order; raises ModelError where they cannot be used."""
        if not 0 < acceptance < 1:
            raise ModelError(f"acceptance must lie between 0 and 1, got {acceptance}")
        return cls(np.sort(as_scores(scores)), acceptance)

    @property
    def threshold(self) -> float:
        """The highest score accepted; infinite where n is too small to promise any other.

        The score of rank ceil((n + 1) * acceptance): a score exchangeable with those held out is
        accepted with at least that probability. Vovk, Gammerman and Shafer, "Algorithmic Learning
        in a Random World", 2005, section 2.2.
        """
        # Rounding keeps 0.95 * 20 at 19: in binary a product may come out a hair above.
        rank = math.ceil(round((len(self.scores) + 1) * self.acceptance, 9))
        return float(self.scores[rank - 1]) if rank <= len(self.scores) else math.inf

    def p_value(self, scores: Floats) -> Floats:
        """Share of scores at least as high, the one asked about counted; shape (n,), in (0, 1].

        Bates, Candès, Lei, Romano and Sesia, "Testing for outliers with conformal p-values",
        Annals of Statistics 2023. At most 1 - acceptance just where a score is above `threshold`.
        """
        as_high = len(self.scores) - np.searchsorted(self.scores, as_scores(scores), side="left")
        return np.asarray((1 + as_high) / (len(self.scores) + 1), dtype=np.float64)


def as_scores(scores: Floats) -> Floats:
    """Scores as float64; raises ModelError where one is NaN or the shape is not (n,)."""
    found = np.asarray(scores, dtype=np.float64)
    if found.ndim != 1 or np.isnan(found).any():
        raise ModelError(f"scores must be numbers of shape (n,), got {found.shape}")
    return found
