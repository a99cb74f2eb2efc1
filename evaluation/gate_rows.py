"""The rows on which two bundles are held against each other, and what each answered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data.schema import Prediction, Ticket
from evaluation.gate_decision import Rule, Source
from evaluation.metrics import Booleans, Floats, Integers

Names = NDArray[np.str_]

BATCH = 256
"""Tickets answered together."""


@dataclass(frozen=True)
class Rows:
    """Tickets of one source with what is right for each target.

    Attributes
    ----------
    ids : shape (n,), names a bundle may have learned them under
    groups : shape (n,), near-duplicates share one
    truth : target -> label of each row, None where it is not known
    """

    source: Source
    ids: Sequence[str]
    tickets: Sequence[Ticket]
    groups: Sequence[str]
    truth: Mapping[str, Sequence[str | None]]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Answers:
    """What one bundle answered to n rows about one target; names, so that classes may differ."""

    label: Names
    confidence: Floats
    automatic: Booleans

    def take(self, rows: Booleans) -> "Answers":
        """The same for some of the rows."""
        return Answers(self.label[rows], self.confidence[rows], self.automatic[rows])


@dataclass(frozen=True)
class Compared:
    """Rows of one source and target whose right label is known, answered by both bundles.

    `groups` holds a number per row, the same for near-duplicates.
    """

    source: Source
    target: str
    truth: Names
    groups: Integers
    candidate: Answers
    champion: Answers | None

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: Booleans) -> "Compared":
        """The same for some of the rows."""
        return replace(
            self,
            truth=self.truth[rows],
            groups=self.groups[rows],
            candidate=self.candidate.take(rows),
            champion=None if self.champion is None else self.champion.take(rows),
        )

    def with_labels(self, labels: Collection[str]) -> "Compared":
        """The rows whose right label is among these."""
        return self.take(np.isin(self.truth, sorted(labels)))

    @property
    def both(self) -> tuple[Answers, Answers]:
        """The candidate's answers and the champion's; ValueError where there is no champion."""
        if self.champion is None:
            raise ValueError("there is no champion to compare with")
        return self.candidate, self.champion

    def rule(
        self,
        name: str,
        passed: bool | None,
        value: float | None,
        limit: float | None,
        interval: tuple[float, float] | None,
        label: str | None = None,
        *,
        why: str,
    ) -> Rule:
        """What came of looking at these rows."""
        return Rule(
            name=name,
            passed=passed,
            value=value,
            limit=limit,
            interval=interval,
            why=why,
            source=self.source,
            target=self.target,
            label=label,
        )


def share(counted: Booleans) -> str:
    """The part of the rows that count, in words; of at least one row."""
    return f"{float(counted.mean()):.4f}"


class Assistant(Protocol):
    """Whoever answers tickets; a TicketAssistant is one."""

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]: ...

    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]: ...


def ask(assistant: Assistant, rows: Rows) -> dict[str, Answers]:
    """Target -> the answers of an assistant to all rows, decisions as the service would take them.

    A language that a ticket names is kept; else it is detected, as in serving.
    """
    found: list[Prediction] = []
    for start in range(0, len(rows), BATCH):
        found += assistant.predict(rows.tickets[start : start + BATCH])
    return {
        target: Answers(
            label=np.array([one.targets[target].label for one in found], dtype=np.str_),
            confidence=np.array([one.targets[target].confidence for one in found], dtype=float),
            automatic=np.array([one.targets[target].decision == "auto" for one in found], bool),
        )
        for target in assistant.targets
    }


def pair(
    rows: Rows,
    candidate: Mapping[str, Answers],
    champion: Mapping[str, Answers] | None,
    unfair: Collection[str] = frozenset(),
) -> list[Compared]:
    """What both answered, target by target; rows without a label or an answer are left out.

    Parameters
    ----------
    unfair : ids of rows that one of the two has learned from; they are left out for both
    """
    _, groups = np.unique(np.array(rows.groups, dtype=np.str_), return_inverse=True)
    fair = np.array([name not in unfair for name in rows.ids], dtype=bool)
    compared = []
    for target, column in rows.truth.items():
        if target not in candidate or (champion is not None and target not in champion):
            continue
        labels = np.array([label or "" for label in column], dtype=np.str_)
        known = fair & (labels != "")
        if known.any():
            compared.append(
                Compared(
                    source=rows.source,
                    target=target,
                    truth=labels[known],
                    groups=groups[known],
                    candidate=candidate[target].take(known),
                    champion=None if champion is None else champion[target].take(known),
                )
            )
    return compared
