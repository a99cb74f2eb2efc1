"""Temperature scaling: one number per target that makes confidence mean what it says."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.base import Probabilities

SMALLEST = 1e-12
"""Probabilities are kept above this before a logarithm is taken."""


def apply_temperature(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Probabilities raised to 1/temperature and normalised again, shape (n, k).

    The same as dividing logits by the temperature: Guo et al., "On Calibration of Modern Neural
    Networks", ICML 2017, eq. 9. Above 1 flattens, below 1 sharpens, the order never changes.
    """
    scaled = np.log(np.maximum(probabilities, SMALLEST)) / temperature  # (n, k)
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: Probabilities = raised / raised.sum(axis=1, keepdims=True)
    return result


def log_loss(probabilities: Probabilities, truth: NDArray[np.int64]) -> float:
    """Mean negative log of the probability given to the right class; 0 is perfect.

    Parameters
    ----------
    truth : class positions, shape (n,)
    """
    right = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(right, SMALLEST)).mean())


def fit_temperature(
    probabilities: Probabilities,
    truth: NDArray[np.int64],
    then: Callable[[Probabilities], Probabilities] | None = None,
) -> float:
    """The temperature in [0.1, 10] with the lowest log loss; 1.0 where there are no rows.

    Parameters
    ----------
    then : what is done to the probabilities after the temperature
    """
    if len(truth) == 0:
        return 1.0
    # Only who learns needs it; who serves saves the time and the memory of its import.
    from scipy.optimize import minimize_scalar

    def loss(power: float) -> float:
        told = apply_temperature(probabilities, float(np.exp(power)))
        return log_loss(then(told) if then else told, truth)

    found = minimize_scalar(
        loss,
        bounds=(np.log(0.1), np.log(10.0)),
        method="bounded",
    )
    return float(np.exp(found.x))
