"""What may differ between processors, and what may not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data.errors import BundleError
from data.schema import Decision, Prediction, TargetPrediction, Ticket
from models.probes import (
    TOGETHER,
    Probe,
    ProbeAnswer,
    answer,
    read_probes,
    replay,
    to_jsonl,
)

CLASSES = ("network", "printer", "other")


@dataclass
class Fixed:
    """Answers every ticket alike."""

    row: list[float]
    threshold: float | None = 0.6
    targets: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"category": CLASSES})

    def probabilities(self, n: int) -> dict[str, NDArray[np.float64]]:
        return {target: np.array([self.row] * n) for target in self.targets}

    def predict_with_probabilities(
        self, tickets: Sequence[Ticket]
    ) -> tuple[list[Prediction], dict[str, NDArray[np.float64]]]:
        best = int(np.argmax(self.row))
        automatic = self.threshold is not None and self.row[best] >= self.threshold
        answer = TargetPrediction(
            label=CLASSES[best],
            confidence=self.row[best],
            decision="auto" if automatic else "review",
            reason="certified" if automatic else "below_threshold",
            threshold=self.threshold,
        )
        told = Prediction(
            ticket_id=None,
            bundle="b",
            fallback=True,
            language=None,
            targets=dict.fromkeys(self.targets, answer),
        )
        return [told] * len(tickets), self.probabilities(len(tickets))


def probe(
    row: list[float], label: str, decision: Decision, threshold: float | None = 0.6
) -> list[Probe]:
    answer = ProbeAnswer(
        label=label, decision=decision, threshold=threshold, probabilities=tuple(row)
    )
    return [Probe(ticket=Ticket(text="invented"), targets={"category": answer})]


def test_a_decision_may_turn_where_the_threshold_is_within_rounding() -> None:
    replay(Fixed([0.595, 0.305, 0.1]), probe([0.605, 0.295, 0.1], "network", "auto"))


def test_a_decision_may_not_turn_elsewhere() -> None:
    with pytest.raises(BundleError, match="decision 'review', sealed as 'auto'"):
        replay(Fixed([0.7, 0.2, 0.1], 0.8), probe([0.7, 0.2, 0.1], "network", "auto"))


def test_a_decision_without_a_threshold_may_not_turn() -> None:
    with pytest.raises(BundleError, match="decision 'auto', sealed as 'review'"):
        replay(Fixed([0.7, 0.2, 0.1]), probe([0.7, 0.2, 0.1], "network", "review", None))


def test_what_was_novel_may_be_known_and_be_routed() -> None:
    [sealed] = probe([0.7, 0.2, 0.1], "network", "review")
    answer = sealed.targets["category"].model_copy(update={"novel": True})
    replay(Fixed([0.7, 0.2, 0.1]), [sealed.model_copy(update={"targets": {"category": answer}})])


def test_a_label_may_turn_between_classes_that_rounding_can_swap() -> None:
    replay(Fixed([0.44, 0.46, 0.1]), probe([0.455, 0.445, 0.1], "network", "review"))


def test_a_label_may_not_turn_elsewhere() -> None:
    with pytest.raises(BundleError, match="label 'network', sealed as 'printer'"):
        replay(Fixed([0.5, 0.4, 0.1]), probe([0.5, 0.4, 0.1], "printer", "review"))


def test_a_label_that_is_no_class_is_a_difference() -> None:
    with pytest.raises(BundleError, match="sealed as 'unheard of'"):
        replay(Fixed([0.5, 0.4, 0.1]), probe([0.5, 0.4, 0.1], "unheard of", "review"))


def test_other_classes_are_a_difference() -> None:
    with pytest.raises(BundleError, match="3 classes, sealed with 2"):
        replay(Fixed([0.7, 0.2, 0.1]), probe([0.7, 0.3], "network", "auto"))


def test_a_target_that_is_not_answered_is_a_difference() -> None:
    silent = Fixed([0.7, 0.2, 0.1], targets={"severity": CLASSES})
    with pytest.raises(BundleError, match="probe 1, category: not answered"):
        replay(silent, probe([0.7, 0.2, 0.1], "network", "auto"))


def test_a_probability_that_is_not_a_number_is_a_difference() -> None:
    @dataclass
    class Undefined(Fixed):
        def probabilities(self, n: int) -> dict[str, NDArray[np.float64]]:
            return {"category": np.array([[0.7, np.nan, 0.1]] * n)}

    with pytest.raises(BundleError, match="a probability strayed"):
        replay(Undefined([0.7, 0.2, 0.1]), probe([0.7, 0.2, 0.1], "network", "auto"))


def test_answers_keep_the_order_of_the_tickets_though_long_ones_are_asked_apart() -> None:
    @dataclass
    class ByText(Fixed):
        asked: list[list[int]] = field(default_factory=list)

        def predict_with_probabilities(
            self, tickets: Sequence[Ticket]
        ) -> tuple[list[Prediction], dict[str, NDArray[np.float64]]]:
            lengths = [len(ticket.text) for ticket in tickets]
            self.asked.append(lengths)
            predictions, _ = super().predict_with_probabilities(tickets)
            rows = np.array([[0.7, n / 1000, 0.3 - n / 1000] for n in lengths])
            return predictions, {"category": rows}

    lengths = [37 * i % 101 + 1 for i in range(2 * TOGETHER + 3)]
    assistant = ByText([0.7, 0.2, 0.1])
    probes = answer(assistant, [Ticket(text="x" * n) for n in lengths])
    assert [len(one.ticket.text) for one in probes] == lengths
    assert [one.targets["category"].probabilities[1] for one in probes] == pytest.approx(
        [n / 1000 for n in lengths]
    )
    assert max(map(len, assistant.asked)) == TOGETHER
    assert [n for part in assistant.asked for n in part] == sorted(lengths)
    replay(assistant, probes)


def test_probes_survive_the_file_whatever_their_texts(tmp_path: Path) -> None:
    text = "first\nsecond\u2028third\x85fourth"
    answer = ProbeAnswer(label="network", decision="auto", probabilities=(0.7, 0.3))
    probes = [Probe(ticket=Ticket(text=text), targets={"category": answer})] * 2
    (tmp_path / "probes.jsonl").write_text(to_jsonl(probes), encoding="utf-8")
    assert read_probes(tmp_path / "probes.jsonl") == probes


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "holds no probes"), ('{"ticket": "secret words"}\n', "line 1 is not a probe")],
)
def test_a_file_without_probes_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "probes.jsonl").write_text(content)
    with pytest.raises(BundleError, match=reason) as refused:
        read_probes(tmp_path / "probes.jsonl")
    assert "secret" not in str(refused.value)
