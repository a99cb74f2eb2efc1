"""What a policy's promise is worth in each language that its tickets are written in."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.base import Probabilities
from models.routing import LanguageCertificate, RoutingPolicy, lower_bound

UNKNOWN = "unknown"
"""Texts too short to tell, or between two languages."""


def certify_languages(
    policy: RoutingPolicy,
    probabilities: Probabilities,
    truth: NDArray[np.int64],
    languages: Sequence[str | None],
) -> dict[str, LanguageCertificate]:
    """Language -> whether its automatic tickets, all classes together, keep the promise.

    One exact test per language, each with the policy's confidence, on the rows that certified the
    classes. Out-of-fold rows have to prove as much as was asked of them there, unless a class took
    over its share of tickets (`models.transfer`).

    Parameters
    ----------
    probabilities, truth, languages : shapes (n, k), (n,) and (n,)
    """
    decisions = policy.decide(probabilities)
    shared = any(certificate.by_share for certificate in policy.classes.values())
    asked = policy.excess.asked if policy.excess and not shared else policy.accuracy
    spoken = np.array([language or UNKNOWN for language in languages])
    found = {}
    for language in sorted(set(spoken.tolist())):
        own = spoken == language
        routed = own & decisions.automatic
        total, errors = int(routed.sum()), int((decisions.label != truth)[routed].sum())
        bound = lower_bound(total - errors, total, policy.confidence)
        found[language] = LanguageCertificate(
            rows=int(own.sum()),
            automatic=total,
            errors=errors,
            lower_bound=bound,
            certified=bound >= asked,
        )
    return found
