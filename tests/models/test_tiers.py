"""Decisions of an assistant with a cascade: who is asked, and what is told."""

from collections.abc import Sequence

import numpy as np
import pytest

from data.schema import Ticket
from models.assistant import Facts, TicketAssistant
from models.cascade import Cascade
from tests.models.cascades import CLASSES, make_cascade
from tests.models.test_cascade import make_ensemble

TICKETS = [Ticket(id=name, text=f"{name} is broken", language="en") for name in ("sure", "other")]


class Reads:
    """A member that is sure of texts with the word `sure`, and remembers what it was asked."""

    def __init__(self, sure: float = 0.95, otherwise: float = 0.6) -> None:
        self.targets_ = {"topic": CLASSES}
        self.answers = {True: sure, False: otherwise}
        self.asked: list[str] = []
        self.fails = False

    def predict_proba(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        if self.fails:
            raise RuntimeError("out of order")
        self.asked += texts
        told = np.array([self.answers["sure" in text] for text in texts])
        return {"topic": np.column_stack([1 - told, told])}


def make_assistant(
    cascade: Cascade | None, linear: Reads | None = None, embedding: Reads | None = None
) -> TicketAssistant:
    members = {"linear": linear or Reads(), "embedding": embedding or Reads(0.9, 0.9)}
    return TicketAssistant(members, make_ensemble("topic"), Facts(version="v"), cascade=cascade)


def test_only_what_goes_on_is_read_by_the_other_members() -> None:
    linear, embedding = Reads(), Reads(0.9, 0.9)
    found = make_assistant(make_cascade(topic=0.9), linear, embedding).decide(TICKETS)
    assert [prediction.tier for prediction in found] == ["linear", "ensemble"]
    assert [prediction.ticket_id for prediction in found] == ["sure", "other"]
    assert (linear.asked, embedding.asked) == (
        ["sure is broken", "other is broken"],
        ["other is broken"],
    )


def test_what_goes_on_is_decided_as_by_the_whole_ensemble() -> None:
    assistant = make_assistant(make_cascade(topic=None))
    for told, alone in zip(assistant.decide(TICKETS), assistant.predict(TICKETS), strict=True):
        answer = alone.targets["topic"].model_copy(update={"words": (), "evidence": ()})
        assert told.targets == {"topic": answer}
        assert told.tier == "ensemble"


def test_the_second_tier_routes_by_the_certificate_of_both() -> None:
    cascade = make_cascade(topic=0.99)
    classes = {
        name: certificate.model_copy(update={"threshold": 0.99})
        for name, certificate in cascade.targets["topic"].routing.classes.items()
    }
    routing = cascade.targets["topic"].routing.model_copy(update={"classes": classes})
    raised = cascade.targets["topic"].model_copy(update={"routing": routing})
    assistant = make_assistant(cascade.model_copy(update={"targets": {"topic": raised}}))
    told, alone = assistant.decide(TICKETS[:1])[0], assistant.predict(TICKETS[:1])[0]
    assert alone.targets["topic"].decision == "auto"
    assert (told.targets["topic"].decision, told.targets["topic"].threshold) == ("review", 0.99)
    assert told.targets["topic"].shortlist


def test_without_a_cascade_all_members_decide_and_no_tier_is_told() -> None:
    embedding = Reads()
    with_one = make_assistant(make_cascade(topic=0.9), embedding=embedding)
    for assistant in (make_assistant(None, embedding=embedding), with_one.without_cascade()):
        embedding.asked.clear()
        assert {prediction.tier for prediction in assistant.decide(TICKETS)} == {None}
        assert len(embedding.asked) == 2


def test_full_answers_know_no_cascade() -> None:
    embedding = Reads()
    found = make_assistant(make_cascade(topic=0.9), embedding=embedding).predict(TICKETS)
    assert {prediction.tier for prediction in found} == {None}
    assert len(embedding.asked) == 2


def test_a_decision_tells_nothing_beside_it() -> None:
    for prediction in make_assistant(make_cascade(topic=0.9)).decide(
        [Ticket(text="sure, mail me at 12:30 or call 10.0.0.1", language="en")]
    ):
        assert (prediction.sentiment, prediction.entities, prediction.similar) == (None, (), ())
        assert prediction.novelty is None
        assert prediction.targets["topic"].words == ()


def test_a_class_that_lost_its_certificate_is_decided_by_all_members() -> None:
    sure, other = make_assistant(make_cascade(topic=0.9)).decide(TICKETS, {"topic": ["b"]})
    assert (sure.tier, other.tier) == ("ensemble", "ensemble")
    assert sure.targets["topic"].decision == "review"
    assert sure.targets["topic"].reason == "certificate_lost"
    assert sure.targets["topic"].shortlist
    assert other.targets["topic"].reason == "below_threshold"


def test_where_the_first_tier_fails_everything_is_degraded_review() -> None:
    linear = Reads()
    linear.fails = True
    for prediction in make_assistant(make_cascade(topic=0.9), linear).decide(TICKETS):
        assert (prediction.degraded, prediction.tier) == (("linear",), "ensemble")
        assert prediction.targets["topic"].reason == "degraded"


def test_a_failure_of_the_others_leaves_what_stopped_alone() -> None:
    embedding = Reads()
    embedding.fails = True
    sure, other = make_assistant(make_cascade(topic=0.9), embedding=embedding).decide(TICKETS)
    assert (sure.degraded, sure.targets["topic"].decision) == ((), "auto")
    assert (other.degraded, other.targets["topic"].reason) == (("embedding",), "degraded")


def test_the_language_detected_decides_whether_a_ticket_may_stop() -> None:
    ticket = Ticket(text="sure", language="de")
    [found] = make_assistant(make_cascade(topic=0.9)).decide([ticket])
    assert (found.tier, found.language) == ("ensemble", "de")
    assert found.targets["topic"].reason == "language_not_certified"


def test_no_tickets_give_no_decisions() -> None:
    assert make_assistant(make_cascade(topic=0.9)).decide([]) == []
    assert make_assistant(None).decide([]) == []


def test_another_version_keeps_its_cascade() -> None:
    cascade = make_cascade(topic=0.9)
    renamed = make_assistant(cascade).with_facts(Facts(version="w"))
    assert renamed.cascade == cascade
    assert [found.bundle for found in renamed.decide(TICKETS)] == ["w", "w"]
    assert renamed.decide(TICKETS)[0].targets["topic"].confidence == pytest.approx(0.95)
