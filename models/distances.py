"""How far a feature vector lies from those seen in training: four distances, one shape of answer.

Each learns a few float32 arrays and measures with nothing but them, so that they are saved as they
are.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Arrays = dict[str, Vectors]
Method = Literal["centroids", "mahalanobis", "relative", "neighbours"]


def fit_centroids(features: Vectors, classes: NDArray[np.int64]) -> Arrays:
    """Mean direction of each class, shape (k, d), of length 1.

    Snell, Swersky and Zemel, "Prototypical networks for few-shot learning", NeurIPS 2017, with the
    cosine in the place of the Euclidean distance.
    """
    return {"centroids": unit_length(_class_means(unit_length(features), classes))}


def centroid_distance(arrays: Mapping[str, Vectors], features: Vectors) -> Vectors:
    """1 - cosine to the nearest class, shape (n,), in [0, 2]."""
    return np.asarray(1 - (unit_length(features) @ arrays["centroids"].T).max(axis=1))


def fit_gaussians(
    features: Vectors, classes: NDArray[np.int64], shrinkage: float | None, *, background: bool
) -> Arrays:
    """One Gaussian per class with a shared covariance, and with `background` one over all rows.

    Lee, Lee, Lee and Shin, "A simple unified framework for detecting out-of-distribution samples
    and adversarial attacks", NeurIPS 2018, eq. 1; the background: Ren et al., "A simple fix to
    Mahalanobis distance for improving near-OOD detection", 2021, eq. 3.

    Parameters
    ----------
    shrinkage : weight of the multiple of the identity the covariance is drawn towards, in [0, 1];
        None: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
        matrices", Journal of Multivariate Analysis 2004

    Returns
    -------
    whitening, shape (d, d), and means, shape (k, d), whitened; with `background` two arrays more
    """
    rows = features.astype(np.float64)
    means = _class_means(rows, classes)
    centre = rows.mean(axis=0, keepdims=True)
    spread = rows - means[classes]
    # Where every class is a single row, what lies between the classes is all there is to go by.
    whitening = _whitening(spread if spread.any() else rows - centre, shrinkage)
    arrays = {"whitening": whitening, "means": means @ whitening}
    if background:
        arrays["background_whitening"] = _whitening(rows - centre, shrinkage)
        arrays["background_means"] = centre @ arrays["background_whitening"]
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def gaussian_distance(arrays: Mapping[str, Vectors], features: Vectors) -> Vectors:
    """Squared Mahalanobis distance to the nearest class, less that to the background if learned."""
    nearest = _squared(features @ arrays["whitening"], arrays["means"]).min(axis=1)
    if "background_means" not in arrays:
        return np.asarray(nearest)
    whitened = features @ arrays["background_whitening"]
    return np.asarray(nearest - _squared(whitened, arrays["background_means"])[:, 0])


def fit_neighbours(features: Vectors, most: int, seed: int) -> Arrays:
    """At most `most` rows, drawn at random, of length 1.

    Sun, Ming, Zhu and Li, "Out-of-distribution detection with deep nearest neighbors", ICML 2022.
    """
    rows = features
    if len(rows) > most:
        kept = np.random.default_rng(seed).choice(len(rows), most, replace=False)
        rows = rows[np.sort(kept)]
    return {"neighbours": unit_length(rows)}


def neighbour_distance(arrays: Mapping[str, Vectors], features: Vectors) -> Vectors:
    """1 - cosine to the nearest row kept, shape (n,), in [0, 2]."""
    return np.asarray(1 - (unit_length(features) @ arrays["neighbours"].T).max(axis=1))


DISTANCES: dict[Method, Callable[[Mapping[str, Vectors], Vectors], Vectors]] = {
    "centroids": centroid_distance,
    "mahalanobis": gaussian_distance,
    "relative": gaussian_distance,
    "neighbours": neighbour_distance,
}

ARRAYS: dict[Method, tuple[str, ...]] = {
    "centroids": ("centroids",),
    "mahalanobis": ("whitening", "means"),
    "relative": ("whitening", "means", "background_whitening", "background_means"),
    "neighbours": ("neighbours",),
}
"""What each method learns; the last axis of every array has the dimension of the features."""

SMALLEST_SHRINKAGE = 1e-4
"""Some of the identity always stays: directions in which nothing varies would count without end."""


def unit_length(vectors: Vectors) -> Vectors:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def _class_means(rows: NDArray[np.floating], classes: NDArray[np.int64]) -> NDArray[np.floating]:
    means = [rows[classes == c].mean(axis=0) for c in range(int(classes.max()) + 1)]
    return np.asarray(np.stack(means))


def _whitening(centred: NDArray[np.float64], shrinkage: float | None) -> NDArray[np.float64]:
    """L with L @ L.T the inverse of the shrunk covariance; the identity where nothing varies."""
    n, d = centred.shape
    covariance = centred.T @ centred / n
    scale = float(np.trace(covariance)) / d
    if scale <= np.finfo(np.float32).tiny:
        return np.eye(d)
    weight = shrinkage
    if weight is None:
        # Only who learns needs it; who serves saves the time and the memory of its import.
        from sklearn.covariance import ledoit_wolf_shrinkage

        weight = float(ledoit_wolf_shrinkage(centred, assume_centered=True)) if n > 1 else 1.0
    weight = max(weight, SMALLEST_SHRINKAGE)
    values, axes = np.linalg.eigh((1 - weight) * covariance + weight * scale * np.eye(d))
    return np.asarray(axes / np.sqrt(values))


def _squared(whitened: Vectors, means: Vectors) -> Vectors:
    """Squared Euclidean distances, shape (n, k), never below 0."""
    squares = (whitened**2).sum(axis=1)[:, None] + (means**2).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * whitened @ means.T, 0))
