"""Temperature scaling: one number per target that makes confidence mean what it says."""

from collections.abc import Callable
from typing import NamedTuple

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
    return float(_losses(probabilities, truth).mean())


class Gain(NamedTuple):
    """Fall of the log loss from one way to answer to another, on the same rows.

    Attributes
    ----------
    mean : in nats per row; above 0 where the other way is better
    error : standard error of the mean, of the paired rows; 0 below two rows
    """

    mean: float
    error: float

    @property
    def counts(self) -> bool:
        """Whether it is more than its standard error."""
        return self.mean > self.error


def paired_gain(before: Probabilities, after: Probabilities, truth: NDArray[np.int64]) -> Gain:
    """What answers gain on others to the same rows; nothing where there are no rows.

    Parameters
    ----------
    before, after : shape (n, k), of models that have not seen the rows
    truth : class positions, shape (n,)
    """
    gains = _losses(before, truth) - _losses(after, truth)
    mean = float(gains.mean()) if len(gains) else 0.0
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else 0.0
    return Gain(mean, error)


def _losses(probabilities: Probabilities, truth: NDArray[np.int64]) -> NDArray[np.float64]:
    right = probabilities[np.arange(len(truth)), truth]
    losses: NDArray[np.float64] = -np.log(np.maximum(right, SMALLEST))
    return losses


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
