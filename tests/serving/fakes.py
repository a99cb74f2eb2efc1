"""A bundle that answers by rule, and a store in memory."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI

from data.errors import NoMemoryError
from data.schema import Candidate, Neighbour, Prediction, TargetPrediction, Ticket
from models.deployment import Arm, Deployment
from models.manifest import Manifest

VERSION = "invented-0a1b2c3d"

MakeApp = Callable[..., FastAPI]
"""From settings to the app, around the fixtures of the test."""


class RuleAssistant:
    """Answers `printer` to whatever mentions one; remembers how it was asked."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.fails_on: str | None = None
        self.remembers = True
        self.failure: type[Exception] = ArithmeticError
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()

    def predict(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]:
        self.asked.set()
        assert self.gate.wait(10), "the test forgot to open the gate"
        self.calls.append(len(tickets))
        if self.fails_on and any(self.fails_on in ticket.text for ticket in tickets):
            raise self.failure(f"cannot work with {tickets[0].text}")
        return [self._answer(ticket, (lost or {}).get("category", ())) for ticket in tickets]

    def decide(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]:
        """The same answers; those about printers stop early."""
        return [
            answer.model_copy(
                update={
                    "tier": "linear"
                    if answer.targets["category"].decision == "auto"
                    else "ensemble"
                }
            )
            for answer in self.predict(tickets, lost)
        ]

    def find_similar(self, texts: Sequence[str], k: int) -> list[tuple[Neighbour, ...]]:
        self.asked.set()
        assert self.gate.wait(10), "the test forgot to open the gate"
        if not self.remembers:
            raise NoMemoryError("keeps nothing")
        labels = ("printer", "printer", "network")
        known = [
            Neighbour(id=str(i), similarity=0.9 - 0.2 * i, labels={"category": label})
            for i, label in enumerate(labels)
        ]
        return [tuple(known[:k]) for _ in texts]

    def _answer(self, ticket: Ticket, lost: Collection[str]) -> Prediction:
        sure = "printer" in ticket.full_text
        answer = TargetPrediction(
            label="printer" if sure else "network",
            confidence=0.99 if sure else 0.6,
            decision="auto" if sure else "review",
            reason="certified" if sure else "below_threshold",
            threshold=0.9,
            shortlist=()
            if sure
            else (
                Candidate(label="network", probability=0.6),
                Candidate(label="printer", probability=0.4),
            ),
        )
        if sure and "printer" in lost:
            listed = (Candidate(label="printer", probability=0.99),)
            changes = {"decision": "review", "reason": "certificate_lost", "shortlist": listed}
            answer = answer.model_copy(update=changes)
        return Prediction(
            ticket_id=ticket.id,
            bundle=VERSION,
            fallback=True,
            language=ticket.language,
            targets={"category": answer},
        )


def make_manifest(version: str = VERSION, *, fallback: bool = True) -> Manifest:
    facts = {
        "format": 1,
        "version": version,
        "created_at": "2026-11-23T08:00:00+00:00",
        "commit": "c0ffee",
        "dirty": False,
        "dataset": version.rpartition("-")[0],
        "fallback": fallback,
        "data_fingerprint": "0" * 64,
        "params": {"seed": 1},
        "targets": {"category": ("network", "printer")},
        "members": ("linear",),
        "weights": {"category": {"linear": 1.0}},
        "temperatures": {"category": {"linear": 1.0, "ensemble": 1.0}},
        "certificate": {"category": {"accuracy": 0.95, "confidence": 0.95}},
        "metrics": {"targets": {"category": {"accuracy": 0.9, "accuracy_ci": [0.88, 0.92]}}},
        "libraries": {"numpy": "2.4.6"},
        "files": {},
    }
    return Manifest.model_validate(facts)


class MemoryStore:
    """A bundle store whose bundles are folder names."""

    def __init__(self) -> None:
        self.deployment: Deployment | None = None
        self.failure: Exception | None = None
        self.holds: set[str] = set()

    def publish(self, version: str = VERSION) -> None:
        self.holds.add(version)
        self.deployment = Deployment(champion=Arm(version=version), published_at=datetime.now(UTC))

    def find_deployment(self) -> Deployment | None:
        if self.failure is not None:
            raise self.failure
        return self.deployment

    def find(self, version: str, cache: Path) -> Path | None:
        return cache / version if version in self.holds else None
