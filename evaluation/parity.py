"""Whether a runtime answers tickets as torch does: whole answers compared, ticket by ticket."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import ModelError
from data.schema import Prediction, Ticket
from data.text import model_text
from models.assistant import TicketAssistant
from models.base import Probabilities
from models.runtime_file import Parity, TargetParity

TOGETHER = 32
"""Tickets asked at once."""

VECTORS = 200
"""Tickets whose vectors are compared, which costs one more pass."""


@dataclass(frozen=True)
class Answers:
    """What an assistant makes of some tickets.

    vectors : of the first `VECTORS` tickets, shape (n, dimension), those that past tickets are
        known by; None where no member has dense features
    """

    predictions: list[Prediction]
    probabilities: Mapping[str, Probabilities]
    vectors: NDArray[np.float32] | None


def ask(assistant: TicketAssistant, tickets: Sequence[Ticket]) -> Answers:
    """The whole answers of an assistant.

    Raises
    ------
    ModelError
        If a member or a reader does not answer, or there are no tickets.
    """
    if not tickets:
        raise ModelError("runtimes are compared on tickets, and there are none")
    predictions: list[Prediction] = []
    found: dict[str, list[Probabilities]] = {target: [] for target in assistant.targets}
    # Texts of like length together: little is computed for padding.
    order = sorted(range(len(tickets)), key=lambda row: len(tickets[row].full_text))
    for start in range(0, len(order), TOGETHER):
        part = [tickets[row] for row in order[start : start + TOGETHER]]
        answered, probabilities = assistant.predict_with_probabilities(part)
        predictions += answered
        for target, rows in probabilities.items():
            found[target].append(rows)
    if failed := sorted({name for one in predictions for name in one.degraded}):
        raise ModelError(f"parts that do not answer: {', '.join(failed)}")
    texts = [model_text(tickets[row].full_text) for row in order[:: max(1, len(order) // VECTORS)]]
    return Answers(
        predictions,
        {target: np.concatenate(rows) for target, rows in found.items()},
        _vectors(assistant, texts),
    )


def compare(reference: Answers, other: Answers) -> Parity:
    """How the answers of another runtime differ from those of the reference."""
    pairs = list(zip(reference.predictions, other.predictions, strict=True))
    cosines = _cosines(reference.vectors, other.vectors)
    return Parity(
        tickets=len(pairs),
        cosine_min=None if cosines is None else float(cosines.min()),
        cosine_mean=None if cosines is None else float(cosines.mean()),
        targets={
            target: TargetParity(
                labels_changed=_share(
                    a.targets[target].label != b.targets[target].label for a, b in pairs
                ),
                decisions_changed=_share(
                    _decision(a, target) != _decision(b, target) for a, b in pairs
                ),
                largest_change=float(np.abs(expected - other.probabilities[target]).max()),
            )
            for target, expected in reference.probabilities.items()
        },
        tones_changed=_share(_tone(a) != _tone(b) for a, b in pairs),
        entities_changed=_share(a.entities != b.entities for a, b in pairs),
    )


def _vectors(assistant: TicketAssistant, texts: Sequence[str]) -> NDArray[np.float32] | None:
    for name in ("finetuned", "embedding"):
        if name in assistant.members:
            features: NDArray[np.float32] = assistant.members[name].encode(texts)
            return features
    return None


def _cosines(
    a: NDArray[np.float32] | None, b: NDArray[np.float32] | None
) -> NDArray[np.float64] | None:
    """Of each row with its counterpart, shape (n,)."""
    if a is None or b is None:
        return None
    one, two = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    found: NDArray[np.float64] = (one * two).sum(1) / lengths
    return found


def _decision(prediction: Prediction, target: str) -> tuple[Any, ...]:
    told = prediction.targets[target]
    return told.label, told.decision


def _tone(prediction: Prediction) -> str | None:
    return None if prediction.sentiment is None else prediction.sentiment.label


def _share(changed: Iterable[bool]) -> float:
    return float(np.mean(list(changed)))
