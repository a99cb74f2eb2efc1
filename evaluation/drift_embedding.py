"""Whether two sets of vectors are from one distribution: a domain classifier, and the MMD.

Both are tested by permutation, in a time linear in the number of tickets: shuffling which window a
ticket is of changes neither the vectors nor their products, so all shuffles share one
factorisation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import gamma, norm, rankdata

SHUFFLES = 499
FOLDS = 5
FEATURES = 256
"""Random Fourier features; the kernel is then off by some 1 / sqrt(256) = 6 % per pair."""
LEAST_BEYOND = 10
"""Shuffles beyond the value seen, below which the tail is fitted: Knijnenburg et al. 2009."""

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EmbeddingShift:
    """How unlike two sets of vectors are.

    Attributes
    ----------
    auc : cross-validated, of telling which window a vector is of; 0.5: cannot be told
    mmd : root of the unbiased squared maximum mean discrepancy, 0 where that is negative
    scores : shape (n_reference + n_current,), each by a classifier that has not seen the row;
        higher: more like the current window
    """

    auc: float
    auc_p: float
    mmd: float
    mmd_p: float
    scores: Floats


def compare_vectors(reference: Vectors, current: Vectors, seed: int) -> EmbeddingShift:
    """Both tests on vectors of shapes (n, d) and (m, d).

    The classifier is a ridge regression on which window a row is of, asked for rows of folds it was
    not fitted on; its area under the ROC curve is the statistic of Lopez-Paz and Oquab, "Revisiting
    classifier two-sample tests", ICLR 2017. The MMD is that of Gretton et al., "A kernel two-sample
    test", JMLR 2012, with a Gaussian kernel as wide as the median distance, by random Fourier
    features (Rahimi and Recht, NeurIPS 2007; Zhao and Meng, "FastMMD", Neural Computation 2015).

    The p-values are exact under exchangeable tickets; in the far tail, which shuffles cannot reach,
    they follow a normal distribution (AUC) or a gamma distribution (MMD) with the moments of the
    shuffles.
    """
    random = np.random.default_rng(seed)
    rows = np.vstack([reference, current]).astype(np.float64)
    rows -= rows.mean(axis=0)
    n, m = len(reference), len(current)
    is_current = np.zeros((n + m, SHUFFLES + 1))
    is_current[n:, 0] = 1
    for column in range(1, SHUFFLES + 1):
        is_current[random.permutation(n + m)[:m], column] = 1
    scores, aucs = _cross_validated(rows, is_current, random)
    squares = _squared_discrepancies(_fourier(rows, random), is_current)
    return EmbeddingShift(
        auc=float(aucs[0]),
        auc_p=_normal_p(aucs),
        mmd=float(np.sqrt(max(0.0, squares[0]))),
        mmd_p=_gamma_p(squares),
        scores=scores,
    )


def _cross_validated(
    rows: Floats, is_current: Floats, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Scores (n,) of the rows as they are, and the AUC of them and of every shuffle."""
    n, d = rows.shape
    fold = random.permutation(n) % FOLDS
    scores = np.zeros_like(is_current, dtype=np.float32)
    gram, products, sums = rows.T @ rows, rows.T @ is_current, is_current.sum(axis=0)
    penalty = np.trace(gram) / d * 0.1 + 1e-9
    for part in range(FOLDS):
        inside = fold == part
        held = rows[inside]
        left = n - len(held)
        share = (sums - is_current[inside].sum(axis=0)) / left
        mean = -held.sum(axis=0) / left  # of the others: all rows together have mean 0
        own = gram - held.T @ held - left * np.outer(mean, mean)
        target = products - held.T @ is_current[inside] - left * np.outer(mean, share)
        weights = cho_solve(cho_factor(own + penalty * np.eye(d)), target)
        # Without the intercept, which is another in every fold and would mix the folds' ranks up.
        scores[inside] = (held - mean) @ weights
    return scores[:, 0].astype(np.float64), _areas(scores, is_current)


def _areas(scores: NDArray[np.float32], is_current: Floats) -> Floats:
    """Area under the ROC curve of each column, ties counting half."""
    m = is_current.sum(axis=0)
    n = len(is_current) - m
    ranks = (rankdata(scores, axis=0) * is_current).sum(axis=0)
    return np.asarray((ranks - m * (m + 1) / 2) / (m * n))


def _fourier(rows: Floats, random: np.random.Generator) -> Floats:
    """Features (n, FEATURES) whose products are those of the kernel."""
    pairs = random.integers(0, len(rows), (2, 2000))
    distances = np.linalg.norm(rows[pairs[0]] - rows[pairs[1]], axis=1)
    width = float(np.median(distances[distances > 0])) if (distances > 0).any() else 1.0
    directions = random.standard_normal((rows.shape[1], FEATURES // 2)) / width
    angles = rows @ directions
    return np.asarray(np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(FEATURES // 2))


def _squared_discrepancies(features: Floats, is_current: Floats) -> Floats:
    """Unbiased squared MMD of each column; each feature vector has length 1."""
    m = is_current.sum(axis=0)
    n = len(is_current) - m
    now = features.T @ is_current
    then = features.sum(axis=0)[:, None] - now
    within_now = ((now**2).sum(axis=0) - m) / (m * (m - 1))
    within_then = ((then**2).sum(axis=0) - n) / (n * (n - 1))
    return np.asarray(within_now + within_then - 2 * (now * then).sum(axis=0) / (m * n))


def _beyond(values: Floats) -> int:
    return int((values[1:] >= values[0]).sum())


def _normal_p(values: Floats) -> float:
    """P-value of the first among the others, by its tail where too few of them lie beyond."""
    beyond = _beyond(values)
    if beyond >= LEAST_BEYOND or values[1:].std() == 0:
        return (beyond + 1) / len(values)
    z = (values[0] - values[1:].mean()) / values[1:].std(ddof=1)
    return min((beyond + 1) / len(values), float(norm.sf(z)))


def _gamma_p(values: Floats) -> float:
    """The same for a skewed statistic: Pearson's type III, by the first three moments."""
    beyond = _beyond(values)
    others = values[1:]
    spread = others.std(ddof=1)
    if beyond >= LEAST_BEYOND or spread == 0:
        return (beyond + 1) / len(values)
    skew = max(0.1, float((((others - others.mean()) / spread) ** 3).mean()))
    shape = 4 / skew**2
    z = (values[0] - others.mean()) / spread
    tail = float(gamma.sf(shape + z * np.sqrt(shape), shape))
    return min((beyond + 1) / len(values), tail)
