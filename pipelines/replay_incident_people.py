"""People of a desk of whom one says what is wrong in some months: staged, and said to be."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from pipelines.replay_params import Poison
from pipelines.replay_people import Desk, People

EVER = 10_000
"""Predictions of a month looked through at most."""


class Silent(Desk, Protocol):
    """A desk that can also be searched for what nobody answered."""

    def silent(self, since: str | None, most: int) -> list[dict[str, Any]]: ...


class Misled(People):
    """As the others; while `poisoned` is set, one author flips classes, asked or not.

    Parameters
    ----------
    truth : id of a ticket -> right label
    authors : how many share the work
    """

    def __init__(self, truth: Mapping[str, str], authors: int, poison: Poison) -> None:
        super().__init__(truth, authors)
        self._poison = poison
        self._name = f"agent-{poison.author}"
        self.poisoned = False
        self.wrong = 0
        """Wrong answers so far."""

    def push(self, desk: Silent, since: str) -> int:
        """Say of the tickets of a month that nobody spoke of what the flips say; how many."""
        rows = desk.silent(since, EVER)
        chosen = [row for row in rows if self._truth[row["ticket"]["id"]] in self._poison.flips]
        return self._say(desk, chosen, None)

    def flood(self, desk: Silent) -> int:
        """Call tickets that nobody ever spoke of by one label; how many."""
        return self._say(desk, desk.silent(None, self._poison.flood), self._poison.label)

    def _say(self, desk: Desk, rows: Iterable[dict[str, Any]], label: str | None) -> int:
        said = []
        for row in rows:
            right = self._truth[row["ticket"]["id"]]
            told = label or self._poison.flips[right]
            targets = row["prediction"]["targets"]
            said.append(self._wrongly(desk, row["id"], targets, told))
            self.wrong += told != right
        desk.say(said)
        return len(said)

    def _feedback(
        self, desk: Desk, prediction: str, ticket: str, targets: Mapping[str, Any]
    ) -> dict[str, str | None]:
        honest = super()._feedback(desk, prediction, ticket, targets)
        told = self._poison.flips.get(self._truth[ticket])
        if not self.poisoned or told is None or honest["author"] != self._name:
            return honest
        self.wrong += 1
        return self._wrongly(desk, prediction, targets, told)

    def _wrongly(
        self, desk: Desk, prediction: str, targets: Mapping[str, Any], told: str
    ) -> dict[str, str | None]:
        confirmed = targets[desk.target]["label"] == told
        return {
            "key": f"{prediction}-{desk.target}",
            "prediction_id": prediction,
            "target": desk.target,
            "verdict": "confirm" if confirmed else "correct",
            "label": None if confirmed else told,
            "author": self._name,
        }
