"""The routing certificate of both tiers of a cascade, on what they route together.

What stops early is counted with what goes on, class by class. Where that misses the promise by
little, the second tier's threshold of the class is raised; it is never below the ensemble's.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betainc

from models.routing import ClassCertificate, Excess, RoutingPolicy, lower_bound
from models.transfer import Rows, measure_excess, withdraw_contradicted

METHOD = "thresholds of the ensemble, raised where both tiers together need it to keep the promise"

RAISES = np.arange(10, 0, -1) / 100
"""Log-odds above the ensemble's threshold at which the second tier's is tested, in that order.

A raise sends tickets to people that the ensemble routes, so no more than a tenth is spent: beyond
it a class loses more decisions than its further stops are worth.
"""

Answered = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Confidence and whether it is right, shape (n,), of rows that are answered with one class."""


def certify_both(
    policy: RoutingPolicy, alone: Rows, both: Rows, held_out: tuple[Rows, Rows] | None = None
) -> RoutingPolicy:
    """The ensemble's certificate, computed anew on what both tiers answer.

    A class that took over its share (`models.transfer`) was not tested on these rows and keeps its
    certificate as it stands.

    Parameters
    ----------
    alone, both : answers of the ensemble and of both tiers to the rows that certified the former
    held_out : the same of calibration rows, where the others are out-of-fold rows
    """
    found = _with_classes(policy, alone, both, policy.accuracy)
    if held_out is None or policy.excess is None:
        return found
    before = measure_excess(_with_classes(policy, alone, alone, policy.accuracy), held_out[0])
    excess = _grown(policy.excess, before, measure_excess(found, held_out[1]), policy.accuracy)
    if excess.asked > policy.accuracy:
        found = _with_classes(policy, alone, both, excess.asked)
    return withdraw_contradicted(found.model_copy(update={"excess": excess}), held_out[1])


def _grown(certified: Excess, before: Excess, after: Excess, accuracy: float) -> Excess:
    """The excess of both tiers: the ensemble's, and by how much it grows where both answer.

    The ensemble's was measured above thresholds lower than those it ended with. Measured at these,
    it is another by chance, so what both tiers add is told by the two at the same thresholds.
    """
    bound = certified.bound + max(0.0, after.bound - before.bound)
    return after.model_copy(update={"bound": bound, "asked": min(1.0, accuracy + bound)})


def _with_classes(policy: RoutingPolicy, alone: Rows, both: Rows, asked: float) -> RoutingPolicy:
    classes = {
        name: certify_class_again(
            certificate, _of_class(alone, position), _of_class(both, position), asked
        )
        for position, (name, certificate) in enumerate(policy.classes.items())
    }
    return policy.model_copy(update={"classes": classes, "method": METHOD})


def _of_class(rows: Rows, position: int) -> Answered:
    probabilities, truth = rows
    own = probabilities.argmax(axis=1) == position
    return probabilities[own].max(axis=1), truth[own] == position


def certify_class_again(
    certificate: ClassCertificate, alone: Answered, both: Answered, asked: float
) -> ClassCertificate:
    """The certificate of one class on what both tiers answer with it.

    The tests go on with the error permitted in those of the ensemble. They begin at the threshold
    where the ensemble alone has most to spare and end, if all pass, at the ensemble's own; the
    last one that passes is kept.

    Parameters
    ----------
    certificate : of the ensemble
    alone, both : rows that the ensemble, and both tiers, answer with this class
    asked : accuracy that has to be shown
    """
    if certificate.threshold is None or certificate.by_share:
        return certificate
    right = certificate.automatic - certificate.errors
    # The inverse of `lower_bound`: the permitted error that this bound was computed with.
    error = float(betainc(right, certificate.errors + 1, certificate.lower_bound))
    odds = np.log(certificate.threshold / (1 - certificate.threshold))
    thresholds = np.append(1 / (1 + np.exp(-odds - RAISES)), certificate.threshold)
    start = int(_tested(alone, thresholds, asked)[2].argmin())
    automatic, errors, tail = _tested(both, thresholds[start:], asked)
    failed = np.flatnonzero(tail > error)
    passed = int(failed[0]) if len(failed) else len(tail)
    last = max(0, passed - 1)
    bound = lower_bound(int(automatic[last] - errors[last]), int(automatic[last]), 1 - error)
    told = {"rows": len(both[0]), "lower_bound": bound}
    if not passed:
        why = f"both tiers together: bound {bound:.3f} is below {asked:.4g}"
        gone = {"threshold": None, "certified": False, "automatic": 0, "errors": 0, "reason": why}
        return certificate.model_copy(update=told | gone)
    found = {
        "threshold": float(thresholds[start:][last]),
        "automatic": int(automatic[last]),
        "errors": int(errors[last]),
    }
    return certificate.model_copy(update=told | found)


def _tested(
    rows: Answered, thresholds: NDArray[np.float64], asked: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows at or above each threshold, errors among them, and the tail of the exact test.

    The tail is the chance of no more errors if no more than asked were right; it is at most the
    permitted error where `lower_bound` is at least what is asked.
    """
    confidence, correct = rows
    every, wrong = np.sort(confidence), np.sort(confidence[~correct])
    automatic = len(every) - np.searchsorted(every, thresholds)
    errors = len(wrong) - np.searchsorted(wrong, thresholds)
    return automatic, errors, bdtr(errors, automatic, 1 - asked)
