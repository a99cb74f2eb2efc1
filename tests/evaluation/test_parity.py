"""What counts as a change between two runtimes, counted on invented answers."""

from typing import ClassVar

import numpy as np
import pytest

from data.errors import ModelError
from data.schema import Candidate, Entity, Prediction, TargetPrediction, Ticket
from evaluation.parity import Answers, ask, compare


def prediction(label: str, decision: str, tone: str | None = None, end: int = 0) -> Prediction:
    told = TargetPrediction(
        label=label, confidence=0.9, decision=decision, reason="certified", threshold=0.5
    )
    return Prediction(
        ticket_id=None,
        bundle="b",
        fallback=False,
        language=None,
        targets={"team": told},
        sentiment=None if tone is None else Candidate(label=tone, probability=0.8),
        entities=(Entity(start=0, end=end, label="application", source="model"),) if end else (),
    )


def answers(*predictions: Prediction, p: float = 0.9) -> Answers:
    rows = np.array([[p, 1 - p]] * len(predictions))
    return Answers(list(predictions), {"team": rows}, np.eye(len(predictions), dtype=np.float32))


A, B = prediction("a", "auto"), prediction("b", "auto")


def test_the_same_answers_have_changed_nothing() -> None:
    found = compare(answers(A, B), answers(A, B))
    assert found.decisions_changed == found.entities_changed == found.tones_changed == 0
    assert found.targets["team"].largest_change == 0
    assert found.cosine_min == pytest.approx(1)
    assert found.tickets == 2


def test_another_label_and_another_decision_are_both_changes_of_a_decision() -> None:
    reviewed = prediction("a", "review")
    found = compare(answers(A, A, A, A), answers(A, B, reviewed, A, p=0.7)).targets["team"]
    assert found.labels_changed == 0.25
    assert found.decisions_changed == 0.5
    assert found.largest_change == pytest.approx(0.2)


def test_tones_and_entities_are_counted_by_ticket() -> None:
    before = answers(prediction("a", "auto", "neutral", 2), prediction("a", "auto", "neutral", 2))
    after = answers(prediction("a", "auto", "neutral", 3), prediction("a", "auto", "positive", 2))
    found = compare(before, after)
    assert (found.tones_changed, found.entities_changed) == (0.5, 0.5)
    assert found.decisions_changed == 0


def test_turned_vectors_show_in_the_cosine() -> None:
    turned = Answers(
        [A, A], {"team": np.array([[0.9, 0.1]] * 2)}, np.eye(2, dtype=np.float32)[::-1]
    )
    found = compare(answers(A, A), turned)
    assert found.cosine_min == found.cosine_mean == 0


def test_no_tickets_prove_nothing() -> None:
    with pytest.raises(ModelError, match="there are none"):
        ask(None, [])  # type: ignore[arg-type]


def test_a_part_that_does_not_answer_is_no_answer() -> None:
    class Degraded:
        targets: ClassVar = {"team": ("a", "b")}

        def predict_with_probabilities(self, tickets):
            told = [A.model_copy(update={"degraded": ("finetuned",)})] * len(tickets)
            return told, {"team": np.full((len(tickets), 2), 0.5)}

    with pytest.raises(ModelError, match="do not answer: finetuned"):
        ask(Degraded(), [Ticket(text="a")])  # type: ignore[arg-type]
