"""Label shift: the classes come in other shares, while the tickets of each are as they were."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from evaluation.drift_tests import cohens_w
from evaluation.drift_window import Answers

STEPS = 1_000
TOLERANCE = 1e-7
LEAST_MATCHED = 200
"""Reference tickets that must be left for a comparison at equal shares to mean anything."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Priors:
    """Shares of the classes, shape (k,), in both windows; how the current ones were found."""

    method: str
    reference: Floats
    current: Floats

    @property
    def effect(self) -> float:
        """Cohen's w between the two."""
        return cohens_w(self.reference, self.current)

    @property
    def weights(self) -> Floats:
        """How much commoner each class is now, shape (k,); 1 where it was never seen."""
        return np.divide(
            self.current,
            self.reference,
            out=np.ones_like(self.current),
            where=self.reference > 0,
        )


def estimate_priors(reference: Answers, current: Answers) -> Priors | None:
    """Shares of the classes now, without a label of now.

    By `em_priors` where both windows keep probabilities, else by `bbse_priors` where the reference
    has labels; None where neither is so.
    """
    if reference.probabilities is not None and current.probabilities is not None:
        before = reference.probabilities.mean(axis=0)
        return Priors("em", before, em_priors(current.probabilities, before))
    rows = reference.labelled
    truth = None if reference.truth is None else reference.truth[rows]
    if truth is None or not (truth >= 0).any():
        return None
    seen = truth >= 0
    k = len(reference.classes)
    joint = confusion(reference.predicted[rows][seen], truth[seen], k)
    answered = np.bincount(current.predicted, minlength=k) / len(current.predicted)
    return Priors("bbse", joint.sum(axis=0), bbse_priors(joint, answered))


def em_priors(probabilities: Floats, before: Floats) -> Floats:
    """Most likely shares of the classes, shape (k,), given calibrated probabilities.

    Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
    probabilities", Neural Computation 2002, eqs. 2.9; its likelihood is concave, so that it does
    not matter where it starts. On calibrated probabilities at least as good as inverting a
    confusion matrix: Garg et al., "A unified view of label shift estimation", NeurIPS 2020.

    Parameters
    ----------
    probabilities : shape (n, k), calibrated where the classes had the shares `before`
    before : shape (k,); best the mean probabilities of the reference (Alexandari et al., ICML 2020)
    """
    shares = before.copy()
    for _ in range(STEPS):
        found = adjust_posterior(probabilities, before, shares).mean(axis=0)
        moved = np.abs(found - shares).max()
        shares = found
        if moved < TOLERANCE:
            break
    return shares


def bbse_priors(joint: Floats, answered: Floats) -> Floats:
    """Shares of the classes, shape (k,), given only how often each was answered.

    Lipton, Wang and Smola, "Detecting and correcting for label shift with black box predictors",
    ICML 2018, with non-negative least squares in the place of the inverse.

    Parameters
    ----------
    joint : shape (k, k), shares of reference tickets answered as the row and truly of the column
    answered : shape (k,), shares of the answers now
    """
    weights, _ = nnls(joint, answered)
    shares = weights * joint.sum(axis=0)
    total = float(shares.sum())
    return np.asarray(shares / total) if total > 0 else answered


def adjust_posterior(probabilities: Floats, before: Floats, now: Floats) -> Floats:
    """Probabilities (n, k) as they are once the classes have the shares `now`.

    Saerens et al. 2002, eq. 2.4: each class is weighed by how much commoner it has become.
    """
    ratio = np.divide(now, before, out=np.zeros_like(now), where=before > 0)
    weighed = probabilities * ratio
    total = weighed.sum(axis=1, keepdims=True)
    adjusted: Floats = np.divide(
        weighed, total, out=probabilities.astype(np.float64), where=total > 0
    )
    return adjusted


def confusion(predicted: Integers, truth: Integers, k: int) -> Floats:
    """Shares (k, k) of tickets answered as the row and truly of the column."""
    counts = np.bincount(predicted * k + truth, minlength=k * k).reshape(k, k)
    return np.asarray(counts / max(1, len(truth)), dtype=np.float64)


def matched_rows(truth: Integers, weights: Floats, seed: int) -> Integers | None:
    """Reference rows drawn so that their classes have the current shares; none twice.

    Each row stays with a probability proportional to the weight of its class (rejection sampling),
    so that what is left is a sample of the reference after a pure label shift. None where fewer
    than `LEAST_MATCHED` rows would be.

    Parameters
    ----------
    truth : class positions of the reference rows, shape (n,); rows without one are left out
    weights : shape (k,), see `Priors.weights`
    """
    random = np.random.default_rng(seed)
    known = np.flatnonzero(truth >= 0)
    if not len(known):
        return None
    chance = weights[truth[known]]
    if not chance.max() > 0:
        return None
    kept = known[random.random(len(known)) < chance / chance.max()]
    return kept if len(kept) >= LEAST_MATCHED else None
