"""Two bundles answer the same rows, and only what is fair is compared."""

from collections.abc import Sequence

import numpy as np

from data.schema import Prediction, TargetPrediction, Ticket
from evaluation.gate_rows import BATCH, Rows, ask, pair


class Echo:
    """Answers with the first word of a ticket; sure of what is written in capitals."""

    targets = {"category": ("network", "printer")}  # noqa: RUF012

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        self.batches.append(len(tickets))
        return [self._answer(ticket.text.split()[0]) for ticket in tickets]

    def _answer(self, word: str) -> Prediction:
        answer = TargetPrediction(
            label=word.lower(),
            confidence=0.9 if word.isupper() else 0.6,
            decision="auto" if word.isupper() else "review",
            reason="certified" if word.isupper() else "below_threshold",
        )
        return Prediction(
            ticket_id=None, bundle="b", fallback=False, language="en", targets={"category": answer}
        )


def rows(texts: Sequence[str], truth: Sequence[str | None]) -> Rows:
    return Rows(
        source="test",
        ids=[f"t-{row}" for row in range(len(texts))],
        tickets=[Ticket(text=text) for text in texts],
        groups=[text.split()[0].lower() for text in texts],
        truth={"category": truth, "severity": ["low"] * len(texts)},
    )


def test_answers_are_names_confidences_and_decisions():
    given = rows(["NETWORK down", "printer out of paper"], ["network", "printer"])
    found = ask(Echo(), given)["category"]
    assert found.label.tolist() == ["network", "printer"]
    assert found.confidence.tolist() == [0.9, 0.6]
    assert found.automatic.tolist() == [True, False]


def test_many_rows_are_asked_in_batches():
    assistant = Echo()
    ask(assistant, rows(["printer"] * (BATCH + 1), [None] * (BATCH + 1)))
    assert assistant.batches == [BATCH, 1]


def test_rows_without_a_label_or_learned_from_are_left_out_for_both():
    given = rows(["network a", "PRINTER b", "network c", "printer d"], ["network", None, "x", "x"])
    answers = ask(Echo(), given)
    (found,) = pair(given, answers, answers, {"t-3"})
    assert found.truth.tolist() == ["network", "x"]
    assert found.candidate.label.tolist() == ["network", "network"]
    assert len(set(found.groups.tolist())) == 1
    assert found.both == (found.candidate, found.champion)
    assert len(found.with_labels({"network"})) == 1
    (single,) = pair(given, answers, None)
    assert single.champion is None
    assert len(single.take(np.array([True, False, False]))) == 1


def test_a_target_that_one_of_them_does_not_answer_is_not_compared():
    given = rows(["network a"], ["network"])
    assert pair(given, ask(Echo(), given), {}) == []
    assert pair(rows(["network a"], [None]), ask(Echo(), given), None) == []
