"""What a replay keeps of every month: the records that its report is made of."""

from typing import Literal

from pydantic import Field

from data.schema import NonEmpty, Record
from evaluation.drift_report import Action, DriftReport, Kind
from evaluation.gate_class_rules import PRECISION, RECALL
from evaluation.gate_decision import GateDecision

Arm = Literal["fixed", "loop", "watched"]
"""`fixed`: nobody touches the first bundle. `loop`: it is corrected, watched, retrained and
replaced. `watched`: it is corrected and watched only; the arm of the stationary controls."""


class Verdict(Record):
    """What a look at drift came to."""

    enough: bool = Field(description="false: too few tickets to say anything")
    drifted: bool
    action: Action
    kinds: tuple[Kind, ...] = ()
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, report: DriftReport) -> "Verdict":
        """The part of a report that is kept."""
        return cls(
            enough=report.enough,
            drifted=report.drifted,
            action=report.action,
            kinds=report.kinds,
            reasons=report.reasons,
        )


class MonthFacts(Record):
    """One month of one arm, counted against the labels that only the replay knows."""

    month: NonEmpty
    arm: Arm
    bundle: NonEmpty = Field(description="version that answered")
    tickets: int = Field(ge=0)
    right: int = Field(ge=0)
    automatic: int = Field(ge=0, description="routed without a person")
    automatic_right: int = Field(ge=0)
    answers: int = Field(ge=0, description="given by people")
    drift: Verdict


class Apart(Record):
    """One month in which both arms answered the same tickets."""

    month: NonEmpty
    tickets: int = Field(ge=0)
    only_loop: int = Field(ge=0, description="right in the loop alone")
    only_fixed: int = Field(ge=0)


class Happened(Record):
    """A line of the audit log, or what people of the desk did."""

    month: NonEmpty
    action: NonEmpty
    subject: str
    reasons: tuple[str, ...]


class ClassLoss(Record):
    """What the gate found of a class on its own rows."""

    rule: NonEmpty
    source: NonEmpty
    label: NonEmpty
    difference: float
    budget: float
    within: bool


class Promotion(Record):
    """A change of champion, with what the gate found on its own rows."""

    month: NonEmpty = Field(description="after which it answered")
    version: NonEmpty
    former: NonEmpty
    gate: tuple[ClassLoss, ...] = Field(description="classes that lost most, by rule and source")


class Pair(Record):
    """A ticket that a new champion answered and the former one, as its shadow, as well."""

    month: NonEmpty
    version: NonEmpty
    ticket: NonEmpty
    truth: NonEmpty
    label: NonEmpty
    automatic: bool
    former_label: NonEmpty
    former_automatic: bool


class MonthsPlayed(Record):
    """What is kept of any run of months, and tells where to go on with it."""

    scenario: NonEmpty
    dataset: NonEmpty
    target: NonEmpty
    first: int = Field(ge=0, description="tickets learned from before")
    planned: int = Field(ge=0, description="months")
    done: int = Field(default=0, ge=0, description="months")
    events: tuple[Happened, ...] = ()
    seconds: float = Field(default=0, ge=0)


class Played(MonthsPlayed):
    """Everything that is kept of the arms of a replay."""

    months: tuple[MonthFacts, ...] = ()
    apart: tuple[Apart, ...] = ()
    promotions: tuple[Promotion, ...] = ()
    pairs: tuple[Pair, ...] = ()
    retrained: int = Field(default=0, description="months done when it was retrained last")
    alerted: bool = Field(default=False, description="since it was retrained last")


def losses_of(decision: GateDecision) -> tuple[ClassLoss, ...]:
    """Of each rule on classes and each source, the class that lost most on the gate's rows."""
    worst: dict[tuple[str, str], ClassLoss] = {}
    for rule in decision.rules:
        if rule.name not in {RECALL, PRECISION} or rule.value is None or rule.label is None:
            continue
        found = ClassLoss(
            rule=rule.name,
            source=str(rule.source),
            label=rule.label,
            difference=rule.value,
            budget=rule.limit or 0.0,
            within=rule.passed is not False,
        )
        place = (found.rule, found.source)
        if place not in worst or found.difference < worst[place].difference:
            worst[place] = found
    return tuple(worst.values())
