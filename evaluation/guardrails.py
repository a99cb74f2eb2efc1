"""What a challenger may not break, however right it is: speed, errors, automation, certificate."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from data.schema import Record
from data.yaml_files import Section
from evaluation.contest import Gap
from evaluation.live import LiveBundle

State = Literal["held", "broken", "open", "not measured"]
"""`open`: it looks broken, and too little is known to say so."""


class VerdictRules(Section):
    """When a challenger is better, and what it may not break on the way."""

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="probability that an interval of the experiment ever misses, all targets "
        "together; a challenger that is no better is called better half as often at most",
    )
    least_answers: int = Field(default=100, ge=1, description="audited and judged, of each arm")
    margin: float = Field(
        default=0.02, gt=0, lt=1, description="of accuracy; less is no difference worth the name"
    )
    automation_loss: float = Field(default=0.05, ge=0, lt=1, description="share, at most")
    latency_ratio: float = Field(default=1.5, ge=1, description="of the p95, at most")
    error_excess: float = Field(default=0.01, ge=0, lt=1, description="share of requests, at most")


class Measured(Record):
    """What was measured of an arm outside of the store."""

    p95_ms: float | None = Field(default=None, ge=0)
    error_rate: float | None = Field(default=None, ge=0, le=1)


class Guardrail(Record):
    """One thing that may not be broken, and whether it is."""

    name: str
    state: State
    why: str


def guard(
    rules: VerdictRules,
    automation: Mapping[str, Gap],
    live: tuple[LiveBundle | None, LiveBundle | None],
    measured: tuple[Measured, Measured],
) -> tuple[Guardrail, ...]:
    """The state of every guardrail.

    Parameters
    ----------
    automation : target -> difference in the share routed without a person
    live : audited answers of the champion and of the challenger; None where there are none, as of a
        shadow
    measured : of the champion and of the challenger
    """
    champion, rival = measured
    return (
        *_automation(automation, rules.automation_loss),
        _certificate(*live),
        _latency(champion.p95_ms, rival.p95_ms, rules.latency_ratio),
        _errors(champion.error_rate, rival.error_rate, rules.error_excess),
    )


def _automation(gaps: Mapping[str, Gap], loss: float) -> Iterable[Guardrail]:
    for target, gap in gaps.items():
        if gap.value is None:
            yield Guardrail(name=f"automation of {target}", state="open", why="nothing answered")
            continue
        broken = gap.high < -loss
        state: State = "broken" if broken else "open" if gap.value < -loss else "held"
        why = (
            f"{target}: share routed without a person {gap.value:+.3f} "
            f"({gap.low:+.3f} to {gap.high:+.3f}), {-loss:+g} allowed"
        )
        yield Guardrail(name=f"automation of {target}", state=state, why=why)


def _certificate(champion: LiveBundle | None, rival: LiveBundle | None) -> Guardrail:
    if rival is None:
        return Guardrail(name="certificate", state="not measured", why="no audited answers")
    both: list[str] = []
    alone: list[str] = []
    for target, labels in rival.lost.items():
        gone = champion.lost.get(target, {}) if champion else {}
        for label, why in labels.items():
            (both if label in gone else alone).append(f"{target} {label}: {why}")
    if alone:
        return Guardrail(name="certificate", state="broken", why="lost by " + "; ".join(alone))
    told = f"lost by both arms: {'; '.join(both)}" if both else "no class has lost it"
    return Guardrail(name="certificate", state="held", why=told)


def _latency(champion: float | None, rival: float | None, ratio: float) -> Guardrail:
    if champion is None or rival is None:
        return Guardrail(name="latency", state="not measured", why="p95 of both arms is needed")
    broken = rival > ratio * champion
    why = f"p95 {rival:,.0f} ms against {champion:,.0f} ms, {ratio:g} times as much allowed"
    return Guardrail(name="latency", state="broken" if broken else "held", why=why)


def _errors(champion: float | None, rival: float | None, excess: float) -> Guardrail:
    if champion is None or rival is None:
        return Guardrail(name="errors", state="not measured", why="shares of both arms are needed")
    broken = rival > champion + excess
    why = f"{rival:.2%} of requests failed against {champion:.2%}, {excess:.2%} more allowed"
    return Guardrail(name="errors", state="broken" if broken else "held", why=why)
