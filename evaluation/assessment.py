"""One look at the test split: everything that is said about one target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from evaluation.cascade import TwoTiers, measure_cascade
from evaluation.certificate import class_table
from evaluation.comparison import compare
from evaluation.intervals import Counts, draw_counts, measure_with_intervals
from evaluation.metrics import Booleans, Floats, Integers, Outcomes
from evaluation.ordinal import measure_levels
from evaluation.slices import find_slices, measure_slices


class EvaluateParams(BaseModel):
    """How figures are made sure of; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap: int = Field(default=1000, ge=1, description="resamples behind every interval")
    behavior_tickets: int = Field(
        default=100, ge=1, description="own test tickets that the behavioural suites change"
    )


class Decisions(Protocol):
    """What a policy makes of probabilities; one entry per row."""

    @property
    def automatic(self) -> Booleans: ...


class Policy(Protocol):
    """Which answers may be acted on unseen; a RoutingPolicy is one."""

    def decide(self, probabilities: Floats) -> Decisions: ...


class Shortlist(Protocol):
    """The classes a person chooses from; a conformal Shortlist is one."""

    def candidates(self, probabilities: Floats) -> Integers: ...

    def covers(self, probabilities: Floats, truth: Integers) -> Booleans: ...


@dataclass(frozen=True)
class TestTickets:
    """The test split, one entry per ticket; texts are prepared and masked."""

    # pytest would take the name for a test class.
    __test__ = False

    ids: Sequence[str]
    texts: Sequence[str]
    groups: Sequence[str]
    languages: Sequence[str | None]
    near_train: Booleans

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Integers) -> "TestTickets":
        """Some of the tickets."""
        return TestTickets(
            ids=[self.ids[row] for row in rows],
            texts=[self.texts[row] for row in rows],
            groups=[self.groups[row] for row in rows],
            languages=[self.languages[row] for row in rows],
            near_train=self.near_train[rows],
        )


@dataclass(frozen=True)
class System:
    """Answers of one system to all test tickets: shape (n, k), and what it would route itself.

    `withheld`, shape (n,), marks tickets that go to a person whatever the confidence.
    """

    probabilities: Floats
    policy: Policy
    withheld: Booleans | None = None

    def outcomes(self, labels: Integers, rows: Integers) -> Outcomes:
        """Its answers to the rows with a known label."""
        kept = self.probabilities[rows].astype(np.float64)
        automatic = np.asarray(self.policy.decide(kept).automatic)
        if self.withheld is not None:
            automatic = automatic & ~self.withheld[rows]
        return Outcomes(labels[rows], kept, automatic)


@dataclass(frozen=True)
class TargetAssessment:
    """Answers on the labelled test tickets of one target, and every figure made from them."""

    target: str
    classes: tuple[str, ...]
    tickets: TestTickets
    ensemble: Outcomes
    members: Mapping[str, Outcomes]
    routing: Mapping[str, Any]
    figures: Mapping[str, Any]


def assess_target(
    target: str,
    classes: tuple[str, ...],
    labels: Integers,
    tickets: TestTickets,
    ensemble: System,
    members: Mapping[str, System],
    routing: Mapping[str, Any],
    shortlist: Shortlist | None,
    draws: int,
    seed: int,
    *,
    ordered: bool = False,
    cascade: TwoTiers | None = None,
) -> TargetAssessment:
    """Every figure of one target, on the test tickets whose label is known.

    Parameters
    ----------
    labels : class positions of shape (n,), -1 where missing
    members : each member alone, as it would stand in the ensemble's place
    routing : the certificate, as ensemble.json holds it
    ordered : whether the classes stand in order, from low to high
    cascade : what its tiers answer to all tickets, where there is one

    Returns
    -------
    TargetAssessment; its `figures` are JSON-ready: the figures of the ensemble at the top,
    `members`, `comparison` (ensemble minus member), `without_near_train`, `shortlist`, `classes`,
    `slices`, and `cascade` where there is one.
    """
    rows = np.flatnonzero(labels >= 0)
    known = tickets.take(rows)
    outcomes = ensemble.outcomes(labels, rows)
    others = {name: system.outcomes(labels, rows) for name, system in members.items()}
    counts = draw_counts(known.groups, draws, seed)
    names = [classes[position] for position in outcomes.labels]
    figures: dict[str, Any] = {
        "n_test": len(rows),
        **measure_with_intervals(outcomes, counts),
        "members": {name: measure_with_intervals(other, counts) for name, other in others.items()},
        "comparison": {name: compare(outcomes, other, counts) for name, other in others.items()},
        "without_near_train": _without(outcomes, known.near_train, counts),
        "classes": class_table(outcomes, classes, routing),
        "slices": measure_slices(
            outcomes, find_slices(names, known.texts, known.languages, known.near_train), counts
        ),
    }
    if ordered:
        figures |= measure_levels(outcomes, counts)
    if shortlist is not None:
        figures["shortlist"] = _measure_shortlist(outcomes, shortlist)
    if cascade is not None:
        figures["cascade"] = measure_cascade(outcomes, cascade.take(rows), classes)
    return TargetAssessment(target, classes, known, outcomes, others, routing, figures)


def _without(outcomes: Outcomes, near_train: Booleans, counts: Counts) -> dict[str, Any]:
    rest = ~near_train
    return {
        "n_test": int(rest.sum()),
        **measure_with_intervals(outcomes.take(rest), counts[:, rest]),
    }


def _measure_shortlist(outcomes: Outcomes, shortlist: Shortlist) -> dict[str, Any]:
    """Size and measured coverage of the short lists of the tickets that go to a person."""
    review = outcomes.take(~outcomes.automatic) if outcomes.automatic is not None else outcomes
    n = len(review)
    if n == 0:
        return {"tickets": 0, "coverage": None, "mean_size": None}
    sizes = [len(shortlist.candidates(row)) for row in review.probabilities]
    return {
        "tickets": n,
        "coverage": float(np.mean(shortlist.covers(review.probabilities, review.labels))),
        "mean_size": float(np.mean(sizes)),
    }
