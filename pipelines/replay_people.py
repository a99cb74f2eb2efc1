"""The people of the desk: they answer what the product asks them, and say what is right."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol


class Desk(Protocol):
    """What people see of the service; `pipelines.replay_service.Client`."""

    target: str

    def audits(self, since: str) -> list[dict[str, Any]]: ...

    def review(self, limit: int) -> list[dict[str, Any]]: ...

    def find(self, prediction: str) -> dict[str, Any]: ...

    def say(self, feedback: Sequence[Mapping[str, str | None]]) -> None: ...


class People:
    """Simulated by the known labels; nothing of those is told but in answer to the product.

    Parameters
    ----------
    truth : id of a ticket -> right label
    authors : how many share the work
    """

    def __init__(self, truth: Mapping[str, str], authors: int) -> None:
        self._truth = truth
        self._authors = authors

    def answer(self, desk: Desk, since: str, most: int, *, queue: bool) -> int:
        """Check what the audit drew since a moment, then the review queue; how many were answered.

        Parameters
        ----------
        most : answers at most; the audit goes first
        queue : whether the review queue is worked on
        """
        drawn = desk.audits(since)[:most]
        said = [
            self._feedback(desk, row["id"], row["ticket"]["id"], row["prediction"]["targets"])
            for row in drawn
        ]
        desk.say(said)
        left = most - len(said)
        if not queue or left <= 0:
            return len(said)
        items = [
            self._feedback(desk, item["prediction_id"], item["ticket"]["id"], item["targets"])
            for item in desk.review(left)
        ]
        desk.say(items)
        return len(said) + len(items)

    def label(self, desk: Desk, predictions: Iterable[str]) -> int:
        """Say what is right for predictions that were listed; how many nobody had answered."""
        said = []
        for prediction in predictions:
            row = desk.find(prediction)
            if not row["feedback"]:
                targets = row["prediction"]["targets"]
                said.append(self._feedback(desk, row["id"], row["ticket"]["id"], targets))
        desk.say(said)
        return len(said)

    def _feedback(
        self, desk: Desk, prediction: str, ticket: str, targets: Mapping[str, Any]
    ) -> dict[str, str | None]:
        right = self._truth[ticket]
        confirmed = targets[desk.target]["label"] == right
        author = int.from_bytes(hashlib.sha256(ticket.encode()).digest()[:4], "big")
        return {
            "key": f"{prediction}-{desk.target}",
            "prediction_id": prediction,
            "target": desk.target,
            "verdict": "confirm" if confirmed else "correct",
            "label": None if confirmed else right,
            "author": f"agent-{author % self._authors + 1}",
        }
