"""Do two systems decide the same? A faster one that answers otherwise is no faster one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx

from serving.bench.processes import BenchError
from serving.bench.systems.catalogue import System


class Told(NamedTuple):
    """What is decided of one target; a system that only classifies decides nothing."""

    label: str
    decision: str | None


Decisions = dict[str, Told]
"""Of one ticket, by target."""


def decisions_of(answer: Mapping[str, Any]) -> Decisions:
    """What an answer decides, whatever else it tells."""
    return {
        target: Told(found["label"], found.get("decision"))
        for target, found in answer["targets"].items()
    }


def ask(client: httpx.Client, system: System, texts: Sequence[str]) -> list[Decisions]:
    """The decisions of a running system, one request per text.

    Raises
    ------
    BenchError
        If a request is not answered with status 200.
    """
    found = []
    for text in texts:
        response = client.post(
            system.path, json={"texts": [text]} if system.listed else {"text": text}
        )
        if response.status_code != 200:
            raise BenchError(f"{system.name} answers {response.status_code} to a ticket")
        told = response.json()
        found.append(decisions_of(told[0] if system.listed else told))
    return found


def share_alike(reference: Sequence[Decisions], found: Sequence[Decisions]) -> float:
    """Share of tickets of which both give every target the same label and decision.

    Where the other decides nothing, only labels are held against each other.
    """
    same = sum(
        all(target in theirs and _alike(told, theirs[target]) for target, told in ours.items())
        for ours, theirs in zip(reference, found, strict=True)
    )
    return same / len(reference)


def _alike(ours: Told, theirs: Told) -> bool:
    return ours.label == theirs.label and theirs.decision in (None, ours.decision)


def to_json(decisions: Sequence[Decisions]) -> str:
    """Decisions as a file keeps them."""
    return json.dumps(decisions)


def from_json(text: str) -> list[Decisions]:
    """What `to_json` wrote."""
    return [
        {target: Told(*told) for target, told in decisions.items()}
        for decisions in json.loads(text)
    ]
