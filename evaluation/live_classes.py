"""The routing certificate held against what happens, class by class.

A class loses its certificate when the upper end of the interval of its automatic accuracy, which
holds at every moment at once, was ever below the accuracy promised. That happens by chance to any
class of a target that keeps its promise at every moment, however accuracy moves above it, with
probability alpha / 2 at most: alpha is shared among the classes and both ends of the intervals.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from data.schema import Record
from evaluation.metrics import CERTIFIED
from evaluation.sequences import Rows, evidence_below, mean_bounds, weighted_mean

WARNING = 0.2
"""Probability that a class which keeps its promise is ever warned of; of each class for itself."""

State = Literal["held", "open", "warning", "lost"]
"""`held`: the whole interval reaches the promise. `open`: nothing is shown yet, either way.
`warning`: it may be failing, and this warns of one that is not in a fifth of all cases at most.
`lost`: the whole interval was below the promise."""


class Promise(Record):
    """What the certificate of one target says."""

    accuracy: float = Field(default=CERTIFIED, gt=0, lt=1, description="of automatic tickets")
    classes: tuple[str, ...] = Field(default=(), description="certified; empty: those seen")


class LiveClass(Record):
    """Automatic answers of one class, on the audit sample."""

    label: str
    automatic: int = Field(description="audited, answered and routed without a person to it")
    wrong: int
    accuracy: float
    low: float = Field(description="of the interval at alpha over the number of classes")
    high: float
    promised: float
    state: State
    evidence: float = Field(
        description="log of the e-value against the promise, now; the largest so far decides"
    )
    why: str = Field(description="the state in words")


def promises_of(certificate: Mapping[str, Mapping[str, Any]]) -> dict[str, Promise]:
    """Target -> promise, from the `certificate` of a manifest."""
    return {
        target: Promise(
            accuracy=routing["accuracy"],
            classes=tuple(
                label for label, found in routing["classes"].items() if found["certified"]
            ),
        )
        for target, routing in certificate.items()
    }


def check_classes(
    seen: Mapping[str, Rows], promise: Promise, alpha: float
) -> tuple[LiveClass, ...]:
    """The state of every class that was routed to, by label.

    Parameters
    ----------
    seen : label -> whether each of its automatic answers was right, in the order of the judgements
    alpha : of all classes together
    """
    family = max(1, len({*promise.classes, *seen}))
    return tuple(
        _check(label, seen[label], promise.accuracy, alpha / family) for label in sorted(seen)
    )


def _check(label: str, rows: Rows, promised: float, alpha: float) -> LiveClass:
    n = len(rows.values)
    right = int(rows.values.sum())
    low, high = mean_bounds(rows, alpha)
    evidence = evidence_below(rows, promised)
    if evidence.max() >= np.log(2 / alpha):
        state: State = "lost"
        told = "the accuracy promised was refuted"
    elif evidence[-1] >= np.log(1 / WARNING):
        state, told = "warning", "it may be below the accuracy promised"
    elif low >= promised:
        state, told = "held", "the accuracy promised is shown again"
    else:
        state, told = "open", "neither shown nor refuted yet"
    return LiveClass(
        label=label,
        automatic=n,
        wrong=n - right,
        accuracy=weighted_mean(rows),
        low=low,
        high=high,
        promised=promised,
        state=state,
        evidence=float(evidence[-1]),
        why=f"{right:,} of {n:,} audited automatic tickets right, {low:.3f} to {high:.3f} "
        f"where {promised:g} was promised: {told}",
    )
