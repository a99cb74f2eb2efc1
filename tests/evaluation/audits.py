"""Answers in production with what people said of them, invented."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from data.schema import Decision, Prediction, TargetPrediction, Ticket
from data.store import Answered, StoredFeedback, StoredPrediction
from tests.stores import NOON


def answer(label: str, decision: Decision = "auto", confidence: float = 0.9) -> TargetPrediction:
    reason = "certified" if decision == "auto" else "below_threshold"
    return TargetPrediction(label=label, confidence=confidence, decision=decision, reason=reason)


def told(
    number: int,
    targets: dict[str, TargetPrediction] | None = None,
    said: Sequence[StoredFeedback] = (),
    bundle: str = "champion",
    **facts: Any,
) -> Answered:
    """Answer number n, made n seconds after noon and audited unless `facts` say otherwise."""
    usual: dict[str, Any] = {
        "id": f"{number:032x}",
        "at": NOON + timedelta(seconds=number),
        "arm": "champion",
        "propensity": 1.0,
        "audit": True,
        "audit_propensity": 0.1,
    }
    prediction = Prediction(
        ticket_id=f"t-{number}",
        bundle=bundle,
        fallback=False,
        language="en",
        targets=targets or {"category": answer("network")},
    )
    stored = StoredPrediction(
        ticket=Ticket(text=f"invented {number}"), prediction=prediction, **(usual | facts)
    )
    return Answered(stored=stored, feedback=tuple(said))


def says(number: int, verdict: str = "confirm", **facts: Any) -> StoredFeedback:
    """What somebody says of answer number n, n seconds after it."""
    usual: dict[str, Any] = {
        "target": "category",
        "author": "ann",
        "at": NOON + timedelta(seconds=2 * number),
        "key": f"{number}-{verdict}-{facts.get('author', 'ann')}-{facts.get('target', '')}",
        "status": "accepted",
    }
    return StoredFeedback(prediction_id=f"{number:032x}", verdict=verdict, **(usual | facts))


def judged(number: int, right: bool, **facts: Any) -> Answered:
    """An audited answer that somebody called right or wrong."""
    verdict = {"verdict": "confirm"} if right else {"verdict": "correct", "label": "printer"}
    return told(number, said=[says(number, **verdict)], **facts)


def period(
    random: np.random.Generator, n: int, champion: float, rival: float, share: float = 0.5
) -> list[Answered]:
    """n audited answers of two arms with these accuracies, drawn by share."""
    rows = []
    for number in range(n):
        second = random.random() < share
        right = bool(random.random() < (rival if second else champion))
        arm: dict[str, Any] = (
            {"bundle": "rival", "arm": "challenger", "propensity": share}
            if second
            else {"bundle": "champion", "arm": "champion", "propensity": 1 - share}
        )
        rows.append(judged(number, right, **arm))
    return rows
