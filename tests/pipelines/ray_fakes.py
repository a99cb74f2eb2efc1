"""Assistants that workers of a cluster make for themselves, found by the name of this file."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.schema import Prediction, TargetPrediction, Ticket
from models.manifest import read_manifest

DIES, STOPS = "kill the worker", "stop the run"
"""Texts at which a worker dies or gives up, once: a file beside the bundle tells that it did."""


class Keywords:
    """Answers `printer` to whatever mentions one."""

    def __init__(self, folder: Path) -> None:
        self.version = read_manifest(folder).version
        self.targets: Mapping[str, tuple[str, ...]] = {"category": ("network", "printer")}
        self._beside = folder.parent

    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        for ticket in tickets:
            if ticket.text == DIES and self._first("died"):
                os._exit(1)
            if ticket.text == STOPS and self._first("stopped"):
                raise OSError(f"cannot read {ticket.text}")
        return [self._answer(ticket) for ticket in tickets]

    def decide(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        return [one.model_copy(update={"tier": "linear"}) for one in self.predict(tickets)]

    def _first(self, what: str) -> bool:
        try:
            (self._beside / what).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _answer(self, ticket: Ticket) -> Prediction:
        answered = TargetPrediction(
            label="printer" if "printer" in ticket.full_text else "network",
            confidence=1 / len(ticket.full_text),
            decision="review",
            reason="below_threshold",
        )
        return Prediction(
            ticket_id=ticket.id,
            bundle=self.version,
            fallback=True,
            language="en",
            targets={"category": answered},
        )


class OfAnotherBundle(Keywords):
    """As where a worker finds something else under the name of the bundle."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.version = "another-ffffffff"
