"""The assistant: tickets in, predictions out, and what happens when a member fails."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError
from data.schema import Ticket
from models.assistant import Facts, TicketAssistant
from models.ensemble import Ensemble, TargetEnsemble
from models.routing import RoutingPolicy
from models.shortlist import Shortlist
from tests.models.cascades import certificate


class Constant:
    """A member that always answers the same, and remembers what it was asked."""

    def __init__(self, answer: list[float], classes: tuple[str, ...] = ("a", "b", "c")) -> None:
        self.targets_ = {"category": classes}
        self.answer = answer
        self.asked: list[str] = []

    def predict_proba(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        self.asked += texts
        return {"category": np.tile(self.answer, (len(texts), 1))}


class Broken(Constant):
    def predict_proba(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        raise RuntimeError("out of order")


def ensemble(weights: dict[str, float]) -> Ensemble:
    policy = RoutingPolicy(
        accuracy=0.95,
        confidence=0.95,
        family="class",
        method="test",
        rows=300,
        certified_automation=0.9,
        classes={"a": certificate(0.7), "b": certificate(None), "c": certificate(0.7)},
    )
    target = TargetEnsemble(
        classes=("a", "b", "c"),
        weights=weights,
        temperatures=dict.fromkeys(weights, 1.0),
        temperature=1.0,
        routing=policy,
        shortlist=Shortlist(coverage=0.95, threshold=0.15, rows=300),
    )
    return Ensemble(targets={"category": target})


def assistant(**members: Constant) -> TicketAssistant:
    weights = dict.fromkeys(members, 1 / len(members))
    return TicketAssistant(members, ensemble(weights), Facts(version="v", fallback=True))


def test_a_sure_answer_of_a_certified_class_is_automatic() -> None:
    [prediction] = assistant(one=Constant([0.8, 0.1, 0.1])).predict([Ticket(id="7", text="help")])
    answer = prediction.targets["category"]
    assert (answer.label, answer.decision, answer.reason) == ("a", "auto", "certified")
    assert answer.threshold == 0.7
    assert answer.shortlist == ()
    assert (prediction.ticket_id, prediction.bundle, prediction.fallback) == ("7", "v", True)


@pytest.mark.parametrize(
    ("answer", "reason", "listed"),
    [
        ([0.6, 0.2, 0.2], "below_threshold", ["a", "b", "c"]),
        ([0.05, 0.9, 0.05], "class_not_certified", ["b"]),
    ],
)
def test_everything_else_is_review_with_reason_and_shortlist(
    answer: list[float], reason: str, listed: list[str]
) -> None:
    [prediction] = assistant(one=Constant(answer)).predict([Ticket(text="help")])
    found = prediction.targets["category"]
    assert (found.decision, found.reason) == ("review", reason)
    assert [candidate.label for candidate in found.shortlist] == listed


def test_a_class_that_lost_its_certificate_goes_to_a_person_as_it_stands() -> None:
    found = assistant(one=Constant([0.8, 0.2, 0.0]))
    ticket = Ticket(text="help")
    [before], [after] = found.predict([ticket]), found.predict([ticket], {"category": {"a"}})
    routed, kept = before.targets["category"], after.targets["category"]
    assert (routed.decision, kept.decision) == ("auto", "review")
    assert kept.reason == "certificate_lost"
    assert [one.label for one in kept.shortlist] == ["a", "b"]
    same = {"label", "confidence", "threshold", "words", "evidence"}
    assert kept.model_dump(include=same) == routed.model_dump(include=same)
    for others in ({"category": {"b"}}, {"team": {"a"}}, {}):
        assert found.predict([ticket], others) == [before]


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (Constant([0.6, 0.2, 0.2]), "below_threshold"),
        (Constant([0.05, 0.9, 0.05]), "class_not_certified"),
    ],
)
def test_what_was_for_a_person_anyway_keeps_its_reason(member: Constant, reason: str) -> None:
    lost = {"category": ("a", "b")}
    [prediction] = assistant(one=member).predict([Ticket(text="help")], lost)
    assert prediction.targets["category"].reason == reason


def test_a_failing_member_degrades_every_decision_and_is_named() -> None:
    found = assistant(one=Constant([0.8, 0.1, 0.1]), two=Broken([1, 0, 0]))
    [prediction] = found.predict([Ticket(text="help")])
    answer = prediction.targets["category"]
    assert prediction.degraded == ("two",)
    assert (answer.label, answer.decision, answer.reason) == ("a", "review", "degraded")
    assert answer.shortlist


def test_without_any_member_there_is_no_answer() -> None:
    with pytest.raises(BundleError, match="two"):
        assistant(two=Broken([1, 0, 0])).predict([Ticket(text="help")])


def test_members_read_prepared_and_masked_text() -> None:
    member = Constant([0.8, 0.1, 0.1])
    assistant(one=member).predict([Ticket(subject="Hi", text="write to anna@example.com\r\n\r\n")])
    assert member.asked == ["Hi\nwrite to [email]"]


def test_a_class_the_member_never_saw_gets_nothing_from_it() -> None:
    member = Constant([0.3, 0.7], classes=("c", "a"))
    probabilities = assistant(one=member).predict_proba(["help"])["category"]
    np.testing.assert_allclose(probabilities, [[0.7, 0.0, 0.3]], atol=1e-9)


def test_the_language_given_wins_over_the_detected_one() -> None:
    text = "Die Anmeldung funktioniert seit heute Morgen leider nicht mehr"
    found = assistant(one=Constant([0.8, 0.1, 0.1]))
    tickets = [Ticket(text=text), Ticket(text=text, language="nl"), Ticket(text="ok")]
    assert [p.language for p in found.predict(tickets)] == ["de", "nl", None]


def test_answers_and_their_probabilities_come_of_one_look() -> None:
    member = Constant([0.8, 0.1, 0.1])
    asked = assistant(one=member)
    tickets = [Ticket(text="help"), Ticket(text="no help")]
    predictions, probabilities = asked.predict_with_probabilities(tickets)
    assert member.asked == ["help", "no help"]
    assert predictions == asked.predict(tickets)
    np.testing.assert_array_equal(
        probabilities["category"], asked.predict_proba(["help", "no help"])["category"]
    )


def test_no_tickets_give_no_predictions() -> None:
    assert assistant(one=Constant([0.8, 0.1, 0.1])).predict([]) == []


def test_a_missing_part_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        TicketAssistant.load_parts(tmp_path)
    ensemble({"linear": 1.0}).write(tmp_path / "ensemble")
    with pytest.raises(BundleError, match="cannot be read"):
        TicketAssistant.load_parts(tmp_path)
