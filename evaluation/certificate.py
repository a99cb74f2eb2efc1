"""The routing certificate held against the test split, class by class."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from evaluation.intervals import exact_interval
from evaluation.metrics import Outcomes

Verdict = Literal["held", "within chance", "broken", "not certified", "nothing automatic"]
"""What the test split says of a class's certificate.

`held`: the accuracy measured reaches the one promised. `within chance`: it does not, but the
interval still holds the promise. `broken`: the whole interval lies below the promise.
"""


def class_table(
    outcomes: Outcomes, classes: Sequence[str], routing: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Precision, recall, F1 and the certificate of every class, measured once on test.

    Parameters
    ----------
    routing : the `routing` entry of a target in ensemble.json

    Returns
    -------
    One entry per class, JSON-ready: `label`, `support`, `precision`, `recall`, `f1` (None where
    undefined), what the calibration split gave (`certified`, `threshold`, `calibration_rows`,
    `calibration_automatic`, `calibration_errors`, `lower_bound`) and what the test split measured
    on the tickets routed automatically *to* the class (`automatic`, `errors`, `accuracy`,
    `accuracy_ci` by Clopper and Pearson, `verdict`).
    """
    if outcomes.automatic is None:
        raise ValueError("a certificate is measured on the answers of a routing policy")
    promised = float(routing["accuracy"])
    table = []
    for position, label in enumerate(classes):
        given = outcomes.labels == position
        answered = outcomes.predicted == position
        hits = int(np.sum(given & answered))
        routed = answered & outcomes.automatic
        automatic, errors = int(routed.sum()), int(np.sum(routed & ~given))
        fitted = routing["classes"].get(label, {})
        certified = bool(fitted.get("certified", False))
        interval = exact_interval(automatic - errors, automatic) if automatic else None
        accuracy = (automatic - errors) / automatic if automatic else None
        table.append(
            {
                "label": label,
                "support": int(given.sum()),
                "precision": _ratio(hits, int(answered.sum())),
                "recall": _ratio(hits, int(given.sum())),
                "f1": _ratio(2 * hits, int(given.sum() + answered.sum())),
                "certified": certified,
                "threshold": fitted.get("threshold"),
                "calibration_rows": fitted.get("rows"),
                "calibration_automatic": fitted.get("automatic"),
                "calibration_errors": fitted.get("errors"),
                "lower_bound": fitted.get("lower_bound"),
                "automatic": automatic,
                "errors": errors,
                "accuracy": accuracy,
                "accuracy_ci": interval,
                "verdict": _verdict(certified, accuracy, interval, promised),
            }
        )
    return table


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _verdict(
    certified: bool, accuracy: float | None, interval: list[float] | None, promised: float
) -> Verdict:
    if not certified:
        return "not certified"
    if accuracy is None or interval is None:
        return "nothing automatic"
    if accuracy >= promised:
        return "held"
    return "within chance" if interval[1] >= promised else "broken"
