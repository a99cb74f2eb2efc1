"""How well a score tells one kind of row from the other, for every row of counts at a time.

Like `evaluation.metrics`: a bootstrap draw is a row of counts, and the plain figure is the case in
which every row counts once.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# Rows x draws handled at once: 64 draws of 10,000 rows are 5 MiB of float64 and stay in the cache.
_CHUNK = 64


def detection_figures(
    scores: Floats, wanted: Booleans, weights: NDArray[np.generic] | None = None
) -> dict[str, Floats]:
    """Areas under the curves of a score that should be high where `wanted` is true.

    `auroc` is the probability that a wanted row scores above another one, ties counted half (Hanley
    and McNeil, "The meaning and use of the area under a receiver operating characteristic curve",
    Radiology 1982). `auprc` is average precision: precision at each score that occurs, weighted by
    the recall it adds, as in scikit-learn.

    Parameters
    ----------
    scores, wanted : shape (n,)
    weights : shape (draws, n), how often each row counts; every row once where left out

    Returns
    -------
    Name of the figure -> array of shape (draws,); NaN where a draw lacks one of the two kinds.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if scores.shape != wanted.shape or scores.ndim != 1:
        raise ValueError(f"scores of shape {scores.shape}, answers of shape {wanted.shape}")
    counts = np.ones((1, len(scores))) if weights is None else weights
    figures = {name: np.full(len(counts), np.nan) for name in ("auroc", "auprc")}
    if len(scores) == 0:
        return figures
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    starts = np.flatnonzero(np.append(True, falling[1:] != falling[:-1]))
    for start in range(0, len(counts), _CHUNK):
        part = slice(start, start + _CHUNK)
        chunk = counts[part].astype(np.float64)[:, order]
        hits = np.add.reduceat(chunk * wanted[order], starts, axis=1)  # (draws, distinct scores)
        others = np.add.reduceat(chunk * ~wanted[order], starts, axis=1)
        figures["auroc"][part], figures["auprc"][part] = _areas(hits, others)
    return figures


def _areas(hits: Floats, others: Floats) -> tuple[Floats, Floats]:
    """AUROC and average precision from the counts at each score, the highest score first."""
    found, passed = np.cumsum(hits, axis=1), np.cumsum(others, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        above = (others * (found - hits / 2)).sum(axis=1)
        auroc = above / (found[:, -1] * passed[:, -1])
        precision = np.divide(found, found + passed, out=np.zeros_like(found), where=found > 0)
        auprc = (hits * precision).sum(axis=1) / found[:, -1]
    return auroc, np.where(passed[:, -1] > 0, auprc, np.nan)
