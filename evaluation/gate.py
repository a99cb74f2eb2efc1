"""The gate: whether a candidate may answer in the champion's place.

Both are held against each other on the same rows: the test split, the golden set and recently
audited tickets, as far as there are any. `evaluation.gate_rules` and `evaluation.gate_class_rules`
say what is asked of them there; behaviour, speed and size are asked of the bundle itself. The first
champion has nobody to be compared with and passes on its own rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from evaluation import gate_class_rules as class_rules
from evaluation import gate_rules as rules_of
from evaluation.gate_decision import GateDecision, Rule, conclude
from evaluation.gate_params import GateParams
from evaluation.gate_rows import Compared
from evaluation.suites import BehaviorReport

MIB = 2**20


@dataclass(frozen=True)
class Contestant:
    """What is known of a bundle beside its answers.

    Attributes
    ----------
    promised : target -> accuracy its certificate promises for each class
    size : bytes of all its files
    latency_ms : median for one ticket on one thread; None where it was not measured
    behavior : None where no suite was run
    """

    version: str
    targets: Mapping[str, Sequence[str]]
    promised: Mapping[str, float]
    size: int
    latency_ms: float | None = None
    behavior: BehaviorReport | None = None


def decide(
    candidate: Contestant,
    champion: Contestant | None,
    rows: Sequence[Compared],
    params: GateParams,
    *,
    at: datetime,
    seed: int,
    draws: int = 1000,
    data: Mapping[str, str | int | None] | None = None,
) -> GateDecision:
    """Judge a candidate by every rule.

    Parameters
    ----------
    rows : what both answered, see `evaluation.gate_rows.pair`
    draws, seed : of the bootstrap behind the calibration error
    data : fingerprints of the data the rows come from, kept with the decision

    Raises
    ------
    ValueError
        If rows lack the champion's answers, or hold some where there is no champion.
    """
    rules = _labels_kept(candidate, champion) if champion else []
    rules += _on_test(candidate, champion, rows)
    for compared in rows:
        if (compared.champion is None) != (champion is None):
            raise ValueError(f"{compared.source} rows do not belong to these two bundles")
        rules += _on_rows(compared, candidate, champion, params, draws, seed)
    rules += [
        _behavior(candidate, champion),
        _latency(candidate, champion, params),
        _size(candidate, champion, params),
    ]
    return conclude(
        candidate.version, champion.version if champion else None, rules, at, dict(data or {})
    )


def _on_rows(
    rows: Compared,
    candidate: Contestant,
    champion: Contestant | None,
    params: GateParams,
    draws: int,
    seed: int,
) -> list[Rule]:
    """Every rule of one target on the rows of one source."""
    target, found = rows.target, []
    held, broken = class_rules.certificate(
        rows, rows.candidate, candidate.promised[target], params, own=True
    )
    found.append(held)
    if champion is None or rows.champion is None:
        judged = rows
    else:
        told, lost = class_rules.certificate(
            rows, rows.champion, champion.promised[target], params, own=False
        )
        found.append(told)
        found.append(rules_of.automation(rows, (broken, lost), params))
        old = champion.targets[target]
        known = [label for label in candidate.targets[target] if label in old]
        if new := [label for label in candidate.targets[target] if label not in old]:
            found.append(rules_of.new_labels(rows, new))
        judged = rows.with_labels(known)
        if len(judged):
            found.append(rules_of.accuracy(judged, params))
            found += class_rules.recall(judged, known, params)
            found += class_rules.automatic_accuracy(judged, known, params)
    if rows.source == "test" and len(judged):
        found.append(rules_of.calibration(judged, params, draws, seed))
    return found


def _labels_kept(candidate: Contestant, champion: Contestant) -> list[Rule]:
    gone = [
        f"{target} {label}" if target in candidate.targets else target
        for target, labels in champion.targets.items()
        for label in (labels if target in candidate.targets else labels[:1])
        if label not in candidate.targets.get(target, ())
    ]
    why = (
        f"the candidate does not answer {', '.join(gone)}"
        if gone
        else "it answers every label that the champion answers"
    )
    return [Rule(name="labels kept", passed=not gone, value=float(len(gone)), limit=0, why=why)]


def _on_test(
    candidate: Contestant, champion: Contestant | None, rows: Sequence[Compared]
) -> list[Rule]:
    """A target without test rows is not judged, and what is not judged does not pass."""
    tested = {compared.target for compared in rows if compared.source == "test"}
    asked = champion.targets if champion else candidate.targets
    return [
        Rule(
            name="test rows",
            passed=False,
            target=target,
            why="no test row with a label that neither bundle has learned from",
        )
        for target in asked
        if target in candidate.targets and target not in tested
    ]


def _behavior(candidate: Contestant, champion: Contestant | None) -> Rule:
    """Whether it passes every behavioural test, but for those that the champion fails as well."""
    name = "behaviour"
    if candidate.behavior is None:
        return Rule(name=name, passed=False, why="the suites were not run on the candidate")
    failed = _failed(candidate.behavior)
    excused = failed & (_failed(champion.behavior) if champion and champion.behavior else set())
    tried = sum(outcome.passed is not None for outcome in candidate.behavior.outcomes)
    why = f"{tried - len(failed)} of {tried} tests pass"
    if left := sorted(failed - excused):
        why += f"; failed: {', '.join(left)}"
    if excused:
        why += f"; the champion fails as well: {', '.join(sorted(excused))}"
    return Rule(name=name, passed=not left, value=float(len(failed)), why=why)


def _failed(report: BehaviorReport) -> set[str]:
    return {f"{one.name} ({one.target})" for one in report.outcomes if one.passed is False}


def _latency(candidate: Contestant, champion: Contestant | None, params: GateParams) -> Rule:
    took = candidate.latency_ms
    if took is None:
        return Rule(
            name="latency", passed=False, limit=params.latency_ms, why="it was not measured"
        )
    beside = f", the champion {champion.latency_ms:.1f}" if champion and champion.latency_ms else ""
    return Rule(
        name="latency",
        passed=took <= params.latency_ms,
        value=took,
        limit=params.latency_ms,
        why=f"{took:.1f} ms for one ticket on one thread, in the median{beside}",
    )


def _size(candidate: Contestant, champion: Contestant | None, params: GateParams) -> Rule:
    size = candidate.size / MIB
    beside = f", the champion {champion.size / MIB:.1f}" if champion else ""
    return Rule(
        name="size",
        passed=size <= params.bundle_mib,
        value=size,
        limit=params.bundle_mib,
        why=f"{size:.1f} MiB{beside}",
    )
