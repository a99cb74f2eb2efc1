"""A candidate answers logged tickets before it is shown a new one, and may be refused for it."""

from collections.abc import Sequence

import pytest

from data.schema import Decision, Prediction, Ticket
from data.store import Answered
from pipelines.experiment_params import RehearsalParams
from pipelines.rehearsal import logged_tickets, rehearse
from tests.evaluation.audits import answer, judged, says, told
from tests.stores import LABELS, MemoryStore, make_feedback, make_prediction


class Constant:
    """Always the same answer; fails on the texts it is told to."""

    def __init__(
        self, label: str, decision: Decision = "auto", failing: Sequence[str] = ()
    ) -> None:
        self.label, self.decision, self.failing = label, decision, failing

    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        (ticket,) = tickets
        if ticket.text in self.failing:
            raise ValueError("no answer")
        targets = {"category": answer(self.label, self.decision)}
        return [
            Prediction(ticket_id=None, bundle="b", fallback=False, language="en", targets=targets)
        ]


def logged(n: int = 10) -> list[Answered]:
    return [told(number, audit=False) for number in range(n)]


def test_a_candidate_that_answers_alike_passes() -> None:
    done = rehearse(Constant("network"), logged(), RehearsalParams())
    assert (done.tickets, done.failed, done.refused) == (10, 0, ())
    category = done.targets["category"]
    assert (category.labels, category.decisions, category.automation, category.known) == (
        0,
        0,
        0,
        0,
    )
    assert done.p50_ms is not None
    assert done.p95_ms is not None
    assert 0 < done.p50_ms <= done.p95_ms
    assert done.tell()[0].startswith("rehearsed on 10 logged tickets, 0 failed, p95 ")


@pytest.mark.parametrize(
    ("candidate", "params", "why"),
    [
        (Constant("printer"), RehearsalParams(), "100.0% told another label, 30.0% allowed"),
        (
            Constant("network", "review"),
            RehearsalParams(),
            "100.0% decided otherwise, 30.0% allowed",
        ),
        (
            Constant("network", failing=["invented 3"]),
            RehearsalParams(),
            "1 of 10 logged tickets failed, 0.0% allowed",
        ),
        (Constant("network"), RehearsalParams(p95_ms=1e-9), "0 ms per ticket, 0 ms allowed"),
    ],
)
def test_a_candidate_that_answers_too_differently_is_refused(
    candidate: Constant, params: RehearsalParams, why: str
) -> None:
    done = rehearse(candidate, logged(), params)
    assert len(done.refused) == 1
    assert why in done.refused[0]
    assert done.tell()[-1] == f"refused: {done.refused[0]}"


def test_settings_allow_more() -> None:
    params = RehearsalParams(changed=1, rerouted=1, errors=0.5)
    candidate = Constant("printer", "review", failing=["invented 3"])
    done = rehearse(candidate, logged(), params)
    assert (done.refused, done.failed) == ((), 1)
    assert done.targets["category"].automation == -1


def test_known_answers_are_those_of_the_audit_with_a_label() -> None:
    rows = [
        judged(1, right=True),
        judged(2, right=False),
        told(3, said=[says(3, "reject")]),
        judged(4, right=True, audit=False),
    ]
    done = rehearse(Constant("printer"), rows, RehearsalParams(changed=1))
    category = done.targets["category"]
    assert (category.known, category.right_before, category.right_now) == (2, 1, 1)
    assert "of 2 known answers 1 right, 1 when told" in done.tell()[1]


def test_a_target_that_the_candidate_does_not_answer_is_changed() -> None:
    rows = [told(1, {"severity": answer("low")}, audit=False)]
    done = rehearse(Constant("network"), rows, RehearsalParams())
    assert done.targets["severity"].labels == done.targets["severity"].decisions == 1
    assert done.targets["severity"].automation == -1
    assert len(done.refused) == 2


def test_without_logged_tickets_there_is_nothing_to_refuse() -> None:
    done = rehearse(Constant("network"), [], RehearsalParams())
    assert (done.tickets, done.p95_ms, done.refused) == (0, None, ())
    assert done.tell() == ["no logged tickets to rehearse on"]


def test_an_error_that_is_none_of_a_model_stops_it() -> None:
    class Stopped(Constant):
        def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse(Stopped("network"), logged(), RehearsalParams())


def test_the_newest_tickets_and_the_newest_audited_ones_are_taken_once_each() -> None:
    store = MemoryStore()
    store.know_bundle("bundle-1", LABELS)
    store.add_predictions([make_prediction(n, audit=n < 3) for n in range(600)])
    store.add_predictions([make_prediction(1000, bundle="bundle-2")])
    store.add_predictions([make_prediction(1001, arm="shadow", beside=f"{1:032x}")])
    store.add_feedback([make_feedback(f"k-{n}", n) for n in (0, 1, 599)])
    found = [int(one.stored.id, 16) for one in logged_tickets(store, "bundle-1", 4)]
    assert found == [599, 598, 597, 596, 1, 0]
    assert len(logged_tickets(store, "bundle-1", 5_000)) == 600
    assert logged_tickets(store, "bundle-3", 5) == []
