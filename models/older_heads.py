"""Heads of bundles that were sealed when heads were skops files, one per target."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from data.errors import BundleError

TRUSTED: list[str] = []
"""Types skops may construct beyond its own safe list: none are needed, so none are trusted."""


def older_file(folder: Path, position: int) -> Path:
    """Where the head of the target at this position was kept."""
    return folder / f"head-{position}.skops"


def read_older_head(
    path: Path, names: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Weights, bias and whether the classes were fitted together; see `models.heads.Head`.

    Raises
    ------
    BundleError
        If the file asks for a type that is not on the allow-list, cannot be read, is no head or
        does not know the classes.
    """
    # Here and not above: importing skops imports all of scikit-learn, and torch with it.
    from skops.io import load
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        head: Any = load(path, trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        raise BundleError(f"{path.name} holds types that are not allowed") from error
    except (OSError, KeyError, ValueError, TypeError, BadZipFile) as error:
        raise BundleError(f"{path.name} cannot be read: {type(error).__name__}") from error
    fitted = getattr(head, "estimators_", [head])
    if not all(hasattr(one, "coef_") for one in fitted) or not hasattr(head, "classes_"):
        raise BundleError(f"{path.name} holds a {type(head).__name__}, not a head")
    if tuple(head.classes_) != names:
        raise BundleError(f"{path.name} does not fit the classes of its target")
    weights = np.vstack([one.coef_ for one in fitted]).T
    bias = np.concatenate([one.intercept_ for one in fitted])
    joint = not hasattr(head, "estimators_")
    return np.ascontiguousarray(weights, dtype=np.float64), bias.astype(np.float64), joint
