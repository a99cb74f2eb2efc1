"""What the gate decided about a candidate, rule by rule, as it is kept beside the bundle."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from data.errors import DataError
from data.schema import NonEmpty, Record

Source = Literal["test", "golden", "audit"]
"""Where rows come from: the test split, the golden set, or the audit sample of the store."""


class Rule(Record):
    """One thing that was looked at, and what came of it."""

    name: NonEmpty
    passed: bool | None = Field(description="null: told, and judged by nobody")
    value: float | None = None
    limit: float | None = Field(default=None, description="what the value may not fall beyond")
    interval: tuple[float, float] | None = None
    why: NonEmpty = Field(description="in words")
    source: Source | None = Field(default=None, description="null: of the bundle itself")
    target: str | None = None
    label: str | None = None

    @property
    def place(self) -> str:
        """What it speaks of: source, target and class, as far as there are any."""
        return " ".join(part for part in (self.source, self.target, self.label) if part)


class Override(Record):
    """Who let a refused candidate pass, and why."""

    by: NonEmpty = Field(max_length=200)
    reason: NonEmpty = Field(max_length=2_000)
    at: AwareDatetime


class GateDecision(Record):
    """Whether a candidate may answer in the champion's place, and for what reasons."""

    format: Literal[1] = 1
    passed: bool
    candidate: NonEmpty
    champion: NonEmpty | None = Field(description="null: there was nobody to compare with")
    rules: tuple[Rule, ...]
    reasons: tuple[NonEmpty, ...] = Field(description="in words, the gravest first")
    at: AwareDatetime
    data: dict[str, str | int | None] = Field(
        default={}, description="fingerprints of the data, and how many rows of each source"
    )
    override: Override | None = None

    def to_json(self) -> str:
        """The text of the file it is kept in."""
        return self.model_dump_json(indent=1) + "\n"

    def overridden(self, override: Override) -> "GateDecision":
        """The same, let pass by a person."""
        return self.model_copy(update={"override": override})


def conclude(
    candidate: str,
    champion: str | None,
    rules: Sequence[Rule],
    at: AwareDatetime,
    data: dict[str, str | int | None],
) -> GateDecision:
    """The decision that rules make: passed if no rule failed."""
    failed = [rule for rule in rules if rule.passed is False]
    against = f"against {champion}" if champion else "without a champion to compare with"
    reasons = [_sentence(rule) for rule in failed] or [
        f"all {sum(rule.passed is True for rule in rules)} rules hold {against}"
    ]
    return GateDecision(
        passed=not failed,
        candidate=candidate,
        champion=champion,
        rules=tuple(rules),
        reasons=tuple(reasons),
        at=at,
        data=data,
    )


def parse_decision(text: str, where: str) -> GateDecision:
    """A decision from the text of its file.

    Raises
    ------
    DataError
        If it is none, or of a newer format.
    """
    try:
        return GateDecision.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(
            f"{where} is not a decision of the gate: {place}: {first['msg']}; decide again"
        ) from None


def tell(decision: GateDecision) -> str:
    """The decision as a table for the terminal; rules that hold for every class take one line."""
    verdict = "PASSED" if decision.passed else "REFUSED"
    against = decision.champion or "nobody"
    lines = [f"{verdict}: {decision.candidate} against {against}", ""]
    rows = [_row(rule) for rule in _shown(decision.rules)]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    if decision.override:
        lines += ["", f"overridden by {decision.override.by}: {decision.override.reason}"]
    return "\n".join(lines) + "\n"


def _shown(rules: Sequence[Rule]) -> list[Rule]:
    """Rules as they are told: of those of classes each that failed, else the one nearest to it."""
    together: dict[tuple[object, ...], list[Rule]] = defaultdict(list)
    for rule in rules:
        alone = () if rule.label is not None else (rule.label, len(together))
        together[(rule.name, rule.source, rule.target, *alone)].append(rule)
    shown: list[Rule] = []
    for members in together.values():
        failed = [rule for rule in members if rule.passed is False]
        if failed or len(members) == 1:
            shown += failed or members
            continue
        nearest = min(members, key=lambda rule: (rule.value is None, rule.value or 0.0))
        why = f"{len(members)} classes, the lowest {nearest.label}: {nearest.why}"
        shown.append(nearest.model_copy(update={"label": None, "why": why}))
    return shown


def _row(rule: Rule) -> tuple[str, str, str, str, str]:
    verdict = {True: "ok", False: "FAILED", None: "-"}[rule.passed]
    if rule.value is None:
        figures = ""
    else:
        limit = "" if rule.limit is None else f" (limit {_figure(rule.limit)})"
        figures = f"{_figure(rule.value)}{limit}"
    return verdict, rule.name, rule.place, figures, rule.why


def _figure(value: float) -> str:
    told = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if told == "-0" else told


def _sentence(rule: Rule) -> str:
    return ": ".join(part for part in (rule.name, rule.place, rule.why) if part)
