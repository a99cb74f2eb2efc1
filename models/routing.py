"""The routing policy: which answers may be acted on unseen, and the certificate behind them.

Per target and predicted class there is a threshold on the calibrated confidence. It is lowered step
by step, and each step is an exact test of "at least `accuracy` of the tickets above it are right".
The order of the steps is fixed before the calibration labels are seen (it is learned on valid), so
that no correction for the number of steps is due: fixed-sequence testing, Angelopoulos et al.,
"Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control", 2021, section 3. The
permitted error is shared among a few starts, and a step that passes hands its share on to the next
(Wiens, "A fixed sequence Bonferroni procedure for testing multiple endpoints", Pharmaceutical
Statistics 2003), so that one unlucky start does not cost a class its certificate. A class that
passes no step is never routed automatically.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import bdtr, betaincinv

from data.schema import Reason
from models.base import Probabilities


class RoutingParams(BaseModel):
    """What is promised, and how sure the promise is; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy: float = Field(default=0.95, gt=0, lt=1, description="of automatic tickets, per class")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="of the certificate")
    family: Literal["class", "all"] = Field(
        default="class", description="what `confidence` speaks of: each class, or all at once"
    )
    rows: Literal["crossfit", "split"] = Field(
        default="crossfit", description="certify on out-of-fold rows, or on calibration rows"
    )
    steps: int = Field(default=200, ge=1, description="most thresholds tried per class")
    shortlist_coverage: float = Field(default=0.95, gt=0, lt=1)


class ClassCertificate(BaseModel):
    """What was shown for one class, on the rows the certificate was computed on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float | None = Field(description="lowest certified confidence; null: none")
    certified: bool
    rows: int = Field(description="rows predicted as this class")
    automatic: int = Field(description="of them at or above the threshold")
    errors: int = Field(description="of the automatic ones, those of another class")
    lower_bound: float = Field(description="exact lower bound of the accuracy of automatic rows")
    reason: str = Field(description="why it stands as it stands")
    by_share: bool = Field(
        default=False, description="its share of tickets was taken over, see models/transfer"
    )


class Excess(BaseModel):
    """What the final models may err more than the out-of-fold ones above the same thresholds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    automatic: int = Field(description="held-out rows above the thresholds of the out-of-fold rows")
    errors: int = Field(description="of them, those of another class")
    expected: float = Field(description="errors, if the final models erred like the others")
    bound: float = Field(description="upper bound of what the share of errors has grown by; from 0")
    asked: float = Field(description="accuracy the out-of-fold rows had to prove; 1: more than can")


class LanguageCertificate(BaseModel):
    """What was shown for the tickets of one language, all classes together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    automatic: int = Field(description="of them above the thresholds of their classes")
    errors: int = Field(description="of the automatic ones, those of another class")
    lower_bound: float = Field(description="exact lower bound of the accuracy of automatic rows")
    certified: bool


class RoutingPolicy(BaseModel):
    """Thresholds per class and the certificate that earned them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy: float
    confidence: float
    family: str
    method: str
    rows: int = Field(description="rows the certificate was computed on")
    certified_automation: float = Field(description="share of those rows routed automatically")
    classes: dict[str, ClassCertificate] = Field(description="in column order")
    notes: tuple[str, ...] = ()
    excess: Excess | None = Field(default=None, description="of a cross-fitted policy")
    languages: dict[str, LanguageCertificate] = Field(
        default={}, description="by ISO 639-1 code, `unknown` among them; empty: not looked at"
    )

    def speaks(self, language: str | None) -> bool:
        """Whether a ticket in this language may be routed unseen; None: too short to tell."""
        if not self.languages or (language is None and "unknown" not in self.languages):
            return True
        found = self.languages.get(language or "unknown")
        return found is not None and found.certified

    def decide(self, probabilities: Probabilities) -> "Decisions":
        """Best class, its confidence, and whether it may be acted on; arrays of shape (n,)."""
        thresholds = np.array(
            [np.inf if c.threshold is None else c.threshold for c in self.classes.values()]
        )
        label = probabilities.argmax(axis=1)
        confidence = probabilities[np.arange(len(label)), label]
        return Decisions(label, confidence, confidence >= thresholds[label])

    def reason(self, label: str, automatic: bool) -> Reason:
        """Why a ticket with this predicted label is routed, or not."""
        if automatic:
            return "certified"
        return "below_threshold" if self.classes[label].certified else "class_not_certified"


@dataclass(frozen=True)
class Decisions:
    """One entry per text: position of the best class, its probability, routed without a person."""

    label: NDArray[np.int64]
    confidence: NDArray[np.float64]
    automatic: NDArray[np.bool_]


def lower_bound(right: int, total: int, confidence: float) -> float:
    """Exact one-sided lower bound of a proportion; 0 where there is nothing to go by.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 1934.
    """
    if total == 0 or right == 0:
        return 0.0
    return float(betaincinv(right, total - right + 1, 1 - confidence))


def start_threshold(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    accuracy: float,
    rows: int,
) -> float | None:
    """Where the descent of one class best begins, judged on rows that will not certify it.

    Of all thresholds it is the one at which a test on `rows` rows would be surest to pass: the
    lowest binomial tail with the error rate seen above it, which is drawn towards the rate that
    the confidences themselves expect, as strongly as 20 rows would.

    Parameters
    ----------
    confidence, correct : shape (n,), valid rows predicted as this class
    rows : how many rows predicted as this class the certificate will be computed on

    Returns
    -------
    A confidence, or None where no threshold has any prospect (tail above one half).
    """
    if len(confidence) == 0 or rows == 0:
        return None
    order = np.argsort(-confidence, kind="stable")
    above = np.arange(1, len(order) + 1)
    seen = np.cumsum(~correct[order])
    expected = np.cumsum(1 - confidence[order]) / above
    rate = (seen + 20 * expected) / (above + 20)
    n = np.maximum(1, np.round(above * rows / len(order)))
    tail = bdtr(np.round(rate * n), n, 1 - accuracy)
    best = int(tail.argmin())
    return float(confidence[order[best]]) if tail[best] < 0.5 else None


def certify_class(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    start: float | None,
    params: RoutingParams,
    level: float,
) -> ClassCertificate:
    """Descend through the thresholds and keep the lowest one that passes its exact test.

    Parameters
    ----------
    confidence, correct : shape (n,), calibration rows predicted as this class
    start : from `start_threshold`, on other rows
    level : confidence of the certificate, in (0, 1)
    """
    none = ClassCertificate(
        threshold=None,
        certified=False,
        rows=len(confidence),
        automatic=0,
        errors=0,
        lower_bound=0.0,
        reason="no threshold has a prospect on valid",
    )
    if start is None:
        return none
    if len(confidence) == 0:
        return none.model_copy(update={"reason": "no calibration row was predicted as this class"})
    every = np.sort(confidence)
    wrong = np.sort(confidence[~correct])
    passed: ClassCertificate | None = None
    closest = none
    carried = 0.0
    for threshold, share in descent(start, params.steps):
        error = carried + share * (1 - level)
        if error == 0:
            continue
        automatic = len(every) - int(np.searchsorted(every, threshold))
        errors = len(wrong) - int(np.searchsorted(wrong, threshold))
        bound = lower_bound(automatic - errors, automatic, 1 - error)
        if bound < params.accuracy:
            carried = 0.0
            if bound >= closest.lower_bound:
                why = (
                    f"{automatic - errors} of {automatic} right at confidence {threshold:.2f}: "
                    f"bound {bound:.3f} is below {params.accuracy:.4g}"
                )
                closest = none.model_copy(update={"lower_bound": bound, "reason": why})
            continue
        carried = error
        passed = none.model_copy(
            update={
                "threshold": threshold,
                "certified": True,
                "automatic": automatic,
                "errors": errors,
                "lower_bound": bound,
                "reason": "certified",
            }
        )
    return passed or closest


STARTS = {1.0: 0.15, 0.5: 0.15, 0.0: 0.5, -0.5: 0.2}
"""Log-odds above the learned start -> share of the permitted error spent there; sums to 1."""


def descent(start: float, steps: int) -> list[tuple[float, float]]:
    """Thresholds in falling order, each with the share of error spent on it: 0 but at a start.

    The starts lie around the learned one; then `steps` thresholds go down to odds of 1 to 50.
    """
    top = min(max(start, 1e-6), 1 - 1e-9)
    middle = float(np.log(top / (1 - top)))
    shares = {middle + offset: share for offset, share in STARTS.items()}
    between = np.linspace(middle, min(middle, 0.0) - 4.0, steps + 1)[1:]
    odds = sorted([*shares, *between.tolist()], reverse=True)
    return [(float(1 / (1 + np.exp(-o))), shares.get(o, 0.0)) for o in odds]


def fit_policy(
    calibration: tuple[Probabilities, NDArray[np.int64]],
    valid: tuple[Probabilities, NDArray[np.int64]],
    classes: tuple[str, ...],
    params: RoutingParams,
    method: str,
    notes: tuple[str, ...] = (),
) -> RoutingPolicy:
    """Certify each class on calibration rows, with the order of tests learned on valid rows.

    Parameters
    ----------
    calibration, valid : calibrated probabilities (n, k) and class positions (n,), no missing ones
    """
    level = params.confidence
    if params.family == "all":
        level = 1 - (1 - params.confidence) / len(classes)
    probabilities, truth = calibration
    label = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    valid_label, valid_confidence = valid[0].argmax(axis=1), valid[0].max(axis=1)
    certificates = {}
    for position, name in enumerate(classes):
        rows, valid_rows = label == position, valid_label == position
        start = start_threshold(
            valid_confidence[valid_rows],
            valid[1][valid_rows] == position,
            params.accuracy,
            int(rows.sum()),
        )
        certificates[name] = certify_class(
            confidence[rows], truth[rows] == position, start, params, level
        )
    automatic = sum(c.automatic for c in certificates.values())
    return RoutingPolicy(
        accuracy=params.accuracy,
        confidence=params.confidence,
        family=params.family,
        method=method,
        rows=len(truth),
        certified_automation=automatic / len(truth) if len(truth) else 0.0,
        classes=certificates,
        notes=notes,
    )
