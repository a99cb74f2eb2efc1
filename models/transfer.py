"""From out-of-fold rows to the final models: what the former must prove to hold of the latter.

Out-of-fold answers are many and certify well, but they are those of models fitted on a part of the
tickets. Rows that no model saw, answered by the final ones, tell how much oftener these err above
the same thresholds. What cannot be ruled out there, the out-of-fold rows have to make up for: if
the final models may err in 0.4 % more of the tickets, a promise of 95 % asks them for 95.4 %.

Where the rows that no model saw are too few for that, a class takes over the share of its tickets
that was certified, not the confidence: models that are surer of themselves then route no more.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrc

from models.base import Probabilities
from models.routing import (
    ClassCertificate,
    Excess,
    RoutingParams,
    RoutingPolicy,
    fit_policy,
    lower_bound,
)

Rows = tuple[Probabilities, NDArray[np.int64]]
"""Calibrated probabilities of shape (n, k) and class positions of shape (n,), none missing."""


def fit_transferred(
    out_of_fold: Rows,
    valid: Rows,
    held_out: Rows,
    classes: tuple[str, ...],
    params: RoutingParams,
    method: str,
    notes: tuple[str, ...] = (),
) -> RoutingPolicy:
    """Certify on out-of-fold rows what the final models are to keep.

    The permitted error is halved between the two things that may go wrong: the certificate of the
    out-of-fold models and the bound of the excess. Together they hold if the share of errors has
    grown alike in every class. A class this does not certify takes over its share, unless the
    final models err more often than expected; that assumes that they put right answers before
    wrong ones at least as well. A class that held-out rows contradict loses its certificate.

    Parameters
    ----------
    out_of_fold : train rows, answered by models that have not seen them
    valid : learns the order of the tests
    held_out : answered by the final models and seen by nothing that was fitted
    """

    def certify(accuracy: float, confidence: float) -> RoutingPolicy:
        asked = params.model_copy(update={"accuracy": accuracy, "confidence": confidence})
        return fit_policy(out_of_fold, valid, classes, asked, method, notes)

    halved = (1 + params.confidence) / 2
    policy = certify(params.accuracy, halved)
    excess = measure_excess(policy, held_out)
    if excess.asked >= 1:
        why = (
            f"{excess.errors} of {excess.automatic} wrong on held-out rows leave open more errors "
            "than are promised"
        )
        policy = _replace(policy, {name: _none(policy, name, why) for name in classes})
    elif excess.asked > params.accuracy:
        policy = certify(excess.asked, halved)
    left = {name for name, c in policy.classes.items() if not c.certified}
    # No error at all is no excess, and below 0 the tail is not defined.
    tail = pdtrc(excess.errors - 1, excess.expected) if excess.errors else 1.0
    if left and tail > 1 - params.confidence:
        shares = hand_over_shares(certify(params.accuracy, params.confidence), held_out)
        policy = _replace(policy, {name: c for name, c in shares.items() if name in left})
    told = {"accuracy": params.accuracy, "confidence": params.confidence, "excess": excess}
    return withdraw_contradicted(policy.model_copy(update=told), held_out)


def hand_over_shares(policy: RoutingPolicy, held_out: Rows) -> dict[str, ClassCertificate]:
    """Certified classes, with thresholds above which no larger share of held-out rows lies.

    The share is that of the rows predicted as the class; no label is looked at.
    """
    probabilities, _ = held_out
    label, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found = {}
    for position, (name, certificate) in enumerate(policy.classes.items()):
        rows = confidence[label == position]
        if certificate.threshold is None or not len(rows):
            continue
        share = certificate.automatic / certificate.rows
        threshold = float(np.quantile(rows, 1 - share, method="higher"))
        found[name] = certificate.model_copy(
            update={"threshold": max(threshold, certificate.threshold), "by_share": True}
        )
    return found


def measure_excess(policy: RoutingPolicy, held_out: Rows) -> Excess:
    """Errors of held-out rows above the thresholds, beside those of the out-of-fold rows.

    The bound is the upper Clopper–Pearson bound of their share of errors, less the share that the
    out-of-fold rows of the same classes have; the latter rests on many times as many rows and
    counts as known.
    """
    probabilities, truth = held_out
    decisions = policy.decide(probabilities)
    routed = decisions.automatic
    total, errors = int(routed.sum()), int((decisions.label != truth)[routed].sum())
    rates = np.array([c.errors / max(1, c.automatic) for c in policy.classes.values()])
    expected = float(rates[decisions.label[routed]].sum())
    highest = 1 - lower_bound(total - errors, total, policy.confidence)
    bound = max(0.0, highest - expected / max(1, total))
    asked = min(1.0, policy.accuracy + bound)
    return Excess(automatic=total, errors=errors, expected=expected, bound=bound, asked=asked)


def withdraw_contradicted(policy: RoutingPolicy, held_out: Rows) -> RoutingPolicy:
    """Take back each class whose automatic rows here are, beyond doubt, below the promise.

    A class goes when even the upper Clopper–Pearson bound misses the promise.
    """
    probabilities, truth = held_out
    decisions = policy.decide(probabilities)
    contradicted = {}
    for position, (name, certificate) in enumerate(policy.classes.items()):
        rows = decisions.automatic & (decisions.label == position)
        total, errors = int(rows.sum()), int((truth[rows] != position).sum())
        upper = 1 - lower_bound(errors, total, policy.confidence)
        if certificate.certified and total and upper < policy.accuracy:
            why = f"{total - errors} of {total} right on held-out rows"
            contradicted[name] = _none(policy, name, why)
    return _replace(policy, contradicted)


def _none(policy: RoutingPolicy, name: str, why: str) -> ClassCertificate:
    """The class without its certificate."""
    found = policy.classes[name]
    if not found.certified:
        return found
    gone = {"threshold": None, "certified": False, "automatic": 0, "errors": 0}
    return found.model_copy(update={**gone, "reason": f"withdrawn: {why}"})


def _replace(policy: RoutingPolicy, others: Mapping[str, ClassCertificate]) -> RoutingPolicy:
    """The policy with other certificates of some classes."""
    classes = {**policy.classes, **others}
    automatic = sum(c.automatic for c in classes.values())
    return policy.model_copy(
        update={
            "classes": classes,
            "certified_automation": automatic / policy.rows if policy.rows else 0.0,
        }
    )
