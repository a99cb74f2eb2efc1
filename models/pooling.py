"""The logarithmic opinion pool: members are believed more in some classes than in others.

A weighted mean has one weight per member, whatever the class. On tickets whose classes differ a
member that reads words may be the better judge of one class and the fine-tuned one of another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.base import Probabilities
from models.calibration import Gain, paired_gain

SMALLEST = 1e-6
"""Probabilities are kept above this: a member that rules a class out must not do so alone."""


class LogPool(BaseModel):
    """Weighted sum of the members' log probabilities, a weight per member and class, and a bias.

    Genest and Zidek, "Combining Probability Distributions: A Critique and an Annotated
    Bibliography", Statistical Science 1(1), 1986 (logarithmic opinion pools), with the weights of
    each class apart; for one member it is the diagonal map of Kull et al., "Beyond temperature
    scaling", NeurIPS 2019.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, tuple[float, ...]] = Field(
        min_length=1, description="member -> weight per class; below 0 it argues against"
    )
    bias: tuple[float, ...] = Field(min_length=1, description="per class, in log-odds")

    @model_validator(mode="after")
    def _a_weight_per_class(self) -> Self:
        if any(len(found) != len(self.bias) for found in self.weights.values()):
            raise ValueError(f"each member needs {len(self.bias)} weights, as there are biases")
        return self

    def combine(self, answers: Mapping[str, Probabilities]) -> Probabilities:
        """Calibrated probabilities (n, k) from those of the members; all of them have to answer."""
        score = np.asarray(self.bias) + sum(
            np.log(np.maximum(answers[name], SMALLEST)) * np.asarray(found)
            for name, found in self.weights.items()
        )  # (n, k)
        return _softmax(score)

    def cooled(self, temperature: float) -> "LogPool":
        """The pool whose answers are those of this one under a temperature."""
        return LogPool(
            weights={
                name: tuple((np.asarray(found) / temperature).tolist())
                for name, found in self.weights.items()
            },
            bias=tuple((np.asarray(self.bias) / temperature).tolist()),
        )


@dataclass(frozen=True)
class ChosenPool:
    """A pool if it helps, and the answers to the rows it was chosen on.

    Attributes
    ----------
    pool : fitted on all rows; None where pooling gains no more than its standard error
    probabilities : shape (n, k), each row answered by a pool that has not seen it
    gain : on the weighted mean, on such rows
    """

    pool: LogPool | None
    probabilities: Probabilities
    gain: Gain


def choose_pool(
    answers: Mapping[str, Probabilities],
    truth: NDArray[np.int64],
    mean: Probabilities,
    folds: NDArray[np.int64],
    C: float,  # noqa: N803
) -> ChosenPool:
    """Fit a pool, and keep it if rows it has not seen gain more than one standard error by it.

    Parameters
    ----------
    answers : member -> probabilities of shape (n, k), of models that have not seen these rows
    truth : class positions, shape (n,)
    mean : calibrated weighted mean of the members, shape (n, k)
    folds : part of each row, shape (n,); a part is answered by the pool of all others
    C : see `fit_pool`
    """
    pooled = np.empty_like(mean)
    for part in np.unique(folds):
        seen, unseen = folds != part, folds == part
        fitted = fit_pool({name: p[seen] for name, p in answers.items()}, truth[seen], C)
        pooled[unseen] = fitted.combine({name: p[unseen] for name, p in answers.items()})
    gain = paired_gain(mean, pooled, truth)
    pool = fit_pool(answers, truth, C) if gain.counts else None
    return ChosenPool(pool, pooled, gain)


def fit_pool(
    answers: Mapping[str, Probabilities],
    truth: NDArray[np.int64],
    C: float,  # noqa: N803 - scikit-learn's name for it
) -> LogPool:
    """Weights and biases with the lowest log loss and a penalty; convex, so there is one optimum.

    Parameters
    ----------
    answers : member -> probabilities of shape (n, k)
    truth : class positions, shape (n,)
    C : inverse strength of the squared penalty on what departs from an equal share of each member
        and no bias, as in logistic regression
    """
    names = list(answers)
    logs = np.stack([np.log(np.maximum(answers[name], SMALLEST)) for name in names])  # (m, n, k)
    m, n, k = logs.shape
    prior = np.concatenate([np.full(m * k, 1 / m), np.zeros(k)])
    hit = np.zeros((n, k))
    hit[np.arange(n), truth] = 1

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = parameters[: m * k].reshape(m, k), parameters[m * k :]
        told = _softmax(bias + np.einsum("mnk,mk->nk", logs, weights))
        departed = parameters - prior
        total = -np.log(np.maximum(told[np.arange(n), truth], 1e-300)).sum()
        wrong = told - hit  # (n, k)
        slope = np.concatenate([np.einsum("mnk,nk->mk", logs, wrong).ravel(), wrong.sum(axis=0)])
        return (
            float(total + (departed @ departed) / (2 * C)) / max(1, n),
            (slope + departed / C) / max(1, n),
        )

    # Only who learns needs it; who serves saves the time and the memory of its import.
    from scipy.optimize import minimize

    found = minimize(loss, prior, jac=True, method="L-BFGS-B").x
    weights = found[: m * k].reshape(m, k)
    return LogPool(
        weights={name: tuple(w.tolist()) for name, w in zip(names, weights, strict=True)},
        bias=tuple(found[m * k :].tolist()),
    )


def _softmax(score: NDArray[np.float64]) -> Probabilities:
    raised = np.exp(score - score.max(axis=1, keepdims=True))
    result: Probabilities = raised / raised.sum(axis=1, keepdims=True)
    return result
