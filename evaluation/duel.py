"""The answers of a champion and one challenger or shadow, gathered for a verdict.

A challenger answers tickets of its own: what was audited and judged is compared across tickets, by
the probability of the arm times that of the audit. A shadow answers the champion's tickets: what
people said of the champion tells whether the shadow's answer to the same ticket would have been
right. Where they only rejected the champion's label, a shadow that told another one may be right or
not; each end of the interval takes what is worse for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from pydantic import AwareDatetime

from data.store import Answered
from evaluation.contest import Contest
from evaluation.judgement import Believed, Judgement, judge
from evaluation.live import not_evidence

Part = Literal["challenger", "shadow"]


class Judged(NamedTuple):
    """One audited answer of which people said whether it was right."""

    at: AwareDatetime
    right: bool
    second: bool
    propensity: float


class Pair(NamedTuple):
    """One audited ticket that both answered; gains are second minus first, in [-1, 1]."""

    at: AwareDatetime
    least: float
    most: float
    propensity: float


class Routed(NamedTuple):
    """One answer, audited or not."""

    automatic: bool
    second: bool
    propensity: float


@dataclass
class Duel:
    """What both said of one target."""

    judged: list[Judged] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    routed: list[Routed] = field(default_factory=list)
    automation_pairs: list[Pair] = field(default_factory=list)

    def accuracy(self, part: Part, alpha: float) -> Contest:
        """The difference in accuracy."""
        if part == "shadow":
            return _beside(sorted(self.pairs, key=lambda one: one.at), alpha)
        rows = sorted(self.judged, key=lambda one: one.at)
        return Contest.apart(
            [float(one.right) for one in rows],
            [one.second for one in rows],
            [one.propensity for one in rows],
            alpha,
        )

    def automation(self, part: Part, alpha: float) -> Contest:
        """The difference in the share routed without a person."""
        if part == "shadow":
            return _beside(self.automation_pairs, alpha)
        return Contest.apart(
            [float(one.automatic) for one in self.routed],
            [one.second for one in self.routed],
            [one.propensity for one in self.routed],
            alpha,
        )

    @property
    def unknown(self) -> int:
        """Pairs of which nobody can say whether the shadow was right."""
        return sum(one.least != one.most for one in self.pairs)


@dataclass
class Gathered:
    """Everything between two bundles, by target, with the audited answers of both."""

    duels: dict[str, Duel] = field(default_factory=dict)
    audited: list[Answered] = field(default_factory=list)
    told: int = 0
    """Answers of the champion."""
    rivals: int = 0
    """Answers of the other one."""

    def of(self, target: str) -> Duel:
        """The duel over one target."""
        return self.duels.setdefault(target, Duel())


def gather(
    rows: Iterable[Answered],
    champion: str,
    rival: str,
    part: Part,
    believed: Believed | None = None,
) -> Gathered:
    """What two bundles said since an experiment began; read once.

    Rows of other bundles, and answers of an arm that the caller named, are passed over.
    """
    gathered = Gathered()
    halves: dict[str, _Half] = {}
    for row in rows:
        stored = row.stored
        if getattr(stored, "explicit", False):
            continue
        version = stored.prediction.bundle
        if stored.shadow:
            beside = getattr(stored, "beside", None)
            if part == "shadow" and version == rival and beside:
                gathered.rivals += 1
                _meet(gathered, halves, beside, _Half.of(row, believed))
        elif version == champion or (version == rival and part == "challenger"):
            _count(gathered, row, version == rival, believed)
            if part == "shadow":
                _meet(gathered, halves, stored.id, _Half.of(row, believed))
    return gathered


def _count(gathered: Gathered, row: Answered, second: bool, believed: Believed | None) -> None:
    stored = row.stored
    gathered.rivals += second
    gathered.told += not second
    evidence = not_evidence(row) is None
    if evidence:
        gathered.audited.append(row)
    for target, answer in stored.prediction.targets.items():
        duel = gathered.of(target)
        duel.routed.append(Routed(answer.decision == "auto", second, stored.propensity))
        if evidence and (judgement := judge(row, target, believed)):
            drawn = stored.propensity * stored.audit_propensity
            duel.judged.append(Judged(judgement.at, judgement.right, second, drawn))


class _Half(NamedTuple):
    """What a pair needs of one of its answers; texts are let go."""

    shadow: bool
    at: AwareDatetime
    propensity: float
    audit_propensity: float
    labels: dict[str, tuple[str, bool]]
    """Target -> label, and whether it is routed without a person."""
    judgements: dict[str, Judgement]
    """Of the told answer, where it was audited."""

    @classmethod
    def of(cls, row: Answered, believed: Believed | None) -> Self:
        stored = row.stored
        targets = stored.prediction.targets
        found = {} if not_evidence(row) else {one: judge(row, one, believed) for one in targets}
        return cls(
            stored.shadow,
            stored.at,
            stored.propensity,
            stored.audit_propensity,
            {one: (answer.label, answer.decision == "auto") for one, answer in targets.items()},
            {one: judgement for one, judgement in found.items() if judgement},
        )


def _meet(gathered: Gathered, halves: dict[str, _Half], name: str, half: _Half) -> None:
    """Pair a half with its other one, or keep it until that comes."""
    other = halves.pop(name, None)
    if other is None or other.shadow == half.shadow:
        halves[name] = half
        return
    told, shadow = (other, half) if half.shadow else (half, other)
    both = told.propensity * shadow.propensity
    for target, (label, automatic) in told.labels.items():
        if target not in shadow.labels:
            continue
        duel = gathered.of(target)
        others, theirs = shadow.labels[target]
        gain = float(theirs) - float(automatic)
        duel.automation_pairs.append(Pair(told.at, gain, gain, both))
        if judgement := told.judgements.get(target):
            least, most = _gains(judgement, label, others)
            drawn = both * told.audit_propensity
            duel.pairs.append(Pair(judgement.at, least, most, drawn))


def _gains(judgement: Judgement, told: str, other: str) -> tuple[float, float]:
    """What a shadow gains on one ticket, at least and at most."""
    if other == told:
        return 0.0, 0.0
    if judgement.right:
        return -1.0, -1.0
    if judgement.label is None:
        return 0.0, 1.0
    gain = float(other == judgement.label)
    return gain, gain


def _beside(pairs: list[Pair], alpha: float) -> Contest:
    return Contest.beside(
        [one.least for one in pairs],
        [one.most for one in pairs],
        [one.propensity for one in pairs],
        alpha,
    )
