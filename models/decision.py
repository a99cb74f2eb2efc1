"""From calibrated probabilities to what is done with a ticket, and why."""

from collections.abc import Collection, Sequence

from data.schema import Candidate, Reason, TargetPrediction
from models.base import Probabilities
from models.ensemble import TargetEnsemble
from models.routing import RoutingPolicy


def withheld(
    policy: RoutingPolicy, language: str | None, *, degraded: bool, novel: bool
) -> Reason | None:
    """Why a ticket goes to a person whatever the confidence; None: for no such reason.

    Parameters
    ----------
    degraded : a member did not answer
    novel : no ticket like it was learned from
    """
    if degraded:
        return "degraded"
    if novel:
        return "novel"
    return None if policy.speaks(language) else "language_not_certified"


def decide(
    target: TargetEnsemble,
    probabilities: Probabilities,
    reasons: Sequence[Reason | None],
    lost: Collection[str] = (),
) -> list[TargetPrediction]:
    """One answer per row: label, confidence, decision with its reason, shortlist for review.

    Parameters
    ----------
    probabilities : calibrated, shape (n, k)
    reasons : of shape (n,), from `withheld`
    lost : labels whose certificate was lost live; what they would have routed goes to a person
    """
    decisions = target.routing.decide(probabilities)
    answers = []
    for row, position in enumerate(decisions.label):
        label = target.classes[position]
        reason = reasons[row]
        automatic = bool(decisions.automatic[row]) and reason is None
        if automatic and label in lost:
            automatic, reason = False, "certificate_lost"
        listed = target.shortlist.candidates(probabilities[row])
        answers.append(
            TargetPrediction(
                label=label,
                confidence=min(1.0, float(decisions.confidence[row])),
                decision="auto" if automatic else "review",
                reason=reason or target.routing.reason(label, automatic),
                threshold=target.routing.classes[label].threshold,
                shortlist=()
                if automatic
                else tuple(
                    Candidate(
                        label=target.classes[i], probability=min(1.0, float(probabilities[row][i]))
                    )
                    for i in listed
                ),
            )
        )
    return answers
