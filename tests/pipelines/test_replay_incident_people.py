"""One author says what is wrong, in the months it is staged for and of nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.replay_incident_people import Misled
from pipelines.replay_params import Poison

TRUTH = {f"t{n}": ("database", "cloud")[n % 2] for n in range(80)}
POISON = Poison(author=2, months=(3,), flips={"database": "web"}, flood=10, label="web")


class Desk:
    target = "kind"

    def __init__(self) -> None:
        self.said: list[Mapping[str, str | None]] = []

    def row(self, ticket: str) -> dict[str, Any]:
        told = {"targets": {"kind": {"label": "database"}}}
        return {"id": f"p-{ticket}", "ticket": {"id": ticket}, "prediction": told, "feedback": []}

    def find(self, prediction: str) -> dict[str, Any]:
        return self.row(prediction.removeprefix("p-"))

    def silent(self, since: str | None, most: int) -> list[dict[str, Any]]:
        return [self.row(ticket) for ticket in ("t0", "t1", "t2")][:most]

    def audits(self, since: str) -> list[dict[str, Any]]:
        return [self.row(ticket) for ticket in TRUTH]

    def review(self, limit: int) -> list[dict[str, Any]]:
        return []

    def say(self, feedback: Sequence[Mapping[str, str | None]]) -> None:
        self.said += feedback


def wrong_ones(desk: Desk) -> list[Mapping[str, str | None]]:
    wrong = []
    for one in desk.said:
        label = one["label"] or "database"
        if label != TRUTH[str(one["prediction_id"]).removeprefix("p-")]:
            wrong.append(one)
    return wrong


def test_only_the_author_named_flips_and_only_while_it_is_staged() -> None:
    people, desk = Misled(TRUTH, 2, POISON), Desk()
    people.answer(desk, "2012-01-01", 80, queue=False)
    assert wrong_ones(desk) == []
    people.poisoned = True
    desk.said.clear()
    people.answer(desk, "2012-02-01", 80, queue=False)
    flipped = wrong_ones(desk)
    assert 10 < len(flipped) < 30
    assert people.wrong == len(flipped)
    assert {one["author"] for one in flipped} == {"agent-2"}
    assert {one["label"] for one in flipped} == {"web"}
    databases = [one for one in desk.said if one["author"] == "agent-1" and one["label"] is None]
    assert databases


def test_unasked_it_flips_what_nobody_spoke_of_and_floods_the_rest() -> None:
    people, desk = Misled(TRUTH, 2, POISON), Desk()
    assert people.push(desk, "2012-01-01") == 2
    assert [one["prediction_id"] for one in desk.said] == ["p-t0", "p-t2"]
    assert people.flood(desk) == 3
    assert people.wrong == 5
    assert {one["label"] for one in desk.said} == {"web"}
    assert {one["author"] for one in desk.said} == {"agent-2"}
