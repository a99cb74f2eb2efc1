"""People of the replay answer what they are asked, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.replay_people import People

TRUTH = {"t1": "cloud", "t2": "library", "t3": "cloud", "t4": "cloud"}


class Desk:
    """A service with two audited tickets and a queue, which remembers what was said."""

    target = "kind"

    def __init__(self) -> None:
        self.said: list[Mapping[str, str | None]] = []
        self.asked: list[int] = []

    def audits(self, since: str) -> list[dict[str, Any]]:
        return [self.find(name) for name in ("p1", "p2")]

    def review(self, limit: int) -> list[dict[str, Any]]:
        self.asked.append(limit)
        queue = [("p3", "t3"), ("p4", "t4")]
        return [
            {"prediction_id": p, "ticket": {"id": t}, "targets": {"kind": {"label": "library"}}}
            for p, t in queue[:limit]
        ]

    def find(self, prediction: str) -> dict[str, Any]:
        return {
            "id": prediction,
            "ticket": {"id": prediction.replace("p", "t")},
            "prediction": {"targets": {"kind": {"label": "cloud"}}},
            "feedback": [{"verdict": "confirm"}] if prediction == "p4" else [],
        }

    def say(self, feedback: Sequence[Mapping[str, str | None]]) -> None:
        self.said += feedback


def test_the_audit_goes_first_and_the_queue_gets_what_is_left() -> None:
    desk = Desk()
    assert People(TRUTH, 3).answer(desk, "2011-01-01", 3, queue=True) == 3
    assert desk.asked == [1]
    told = [(one["prediction_id"], one["verdict"], one["label"]) for one in desk.said]
    assert told == [
        ("p1", "confirm", None),
        ("p2", "correct", "library"),
        ("p3", "correct", "cloud"),
    ]


def test_where_nothing_is_learned_the_queue_is_left_alone() -> None:
    desk = Desk()
    assert People(TRUTH, 3).answer(desk, "2011-01-01", 9, queue=False) == 2
    assert desk.asked == []


def test_a_budget_that_the_audit_uses_up_leaves_nothing_for_the_queue() -> None:
    desk = Desk()
    assert People(TRUTH, 3).answer(desk, "2011-01-01", 1, queue=True) == 1
    assert desk.asked == []


def test_listed_predictions_are_answered_unless_they_were() -> None:
    desk = Desk()
    assert People(TRUTH, 3).label(desk, ["p2", "p4"]) == 1
    assert [one["prediction_id"] for one in desk.said] == ["p2"]


def test_the_same_ticket_always_meets_the_same_author_and_the_work_is_shared() -> None:
    truth = {f"t{n}": "cloud" for n in range(200)}
    first, again = Desk(), Desk()
    for desk in (first, again):
        People(truth, 4).label(desk, [f"p{n}" for n in range(200) if n != 4])
    assert first.said == again.said
    authors = [one["author"] for one in first.said]
    assert set(authors) == {f"agent-{n}" for n in (1, 2, 3, 4)}
    assert max(authors.count(name) for name in set(authors)) < 80
