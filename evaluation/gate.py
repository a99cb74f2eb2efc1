"""The gate: whether a candidate may answer in the champion's place.

Both are held against each other on the same rows: the test split, the golden set and recently
audited tickets, as far as there are any. `evaluation.gate_rules` and `evaluation.gate_class_rules`
say what is asked of them there; behaviour, speed and size are asked of the bundle itself. The first
champion has nobody to be compared with and passes on its own rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from scipy.stats import binom

from evaluation import gate_class_rules as class_rules
from evaluation import gate_rules as rules_of
from evaluation.gate_decision import GateDecision, Rule, conclude
from evaluation.gate_params import GateParams
from evaluation.gate_rows import Compared
from evaluation.suites import BehaviorReport

MIB = 2**20

LATENCY_NOISE_MS = 5.0
"""By which two medians of the same bundle may differ on a machine that does other work as well."""


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
    moved = _moved(candidate, champion, rows, params)
    for compared in rows:
        outdated = compared.target in moved
        rules += _on_rows(compared, candidate, champion, params, draws, seed, outdated)
    rules += [
        _behavior(candidate, champion, params),
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
    outdated: bool,
) -> list[Rule]:
    """Every rule of one target on the rows of one source.

    Parameters
    ----------
    outdated : whether audited tickets decide about this target, and the test split guards
    """
    target, found = rows.target, []
    held, broken = class_rules.certificate(
        rows, rows.candidate, candidate.promised[target], params, own=True
    )
    found.append(held)
    if champion is None or rows.champion is None:
        judged = rows
    else:
        told, refuted = class_rules.certificate(
            rows, rows.champion, champion.promised[target], params, own=False
        )
        found.append(told)
        found.append(rules_of.automation(rows, (broken, refuted), params))
        known = _known(target, candidate, champion)
        if new := [label for label in candidate.targets[target] if label not in known]:
            found.append(rules_of.new_labels(rows, new))
        judged = rows.with_labels(known)
        if len(judged):
            past = outdated and rows.source == "test"
            lost = max(params.class_budget, params.forgotten) if past else params.class_budget
            allowed = params.model_copy(update={"class_budget": lost})
            found.append(rules_of.accuracy(judged, params, outdated=past))
            found += class_rules.recall(judged, known, allowed)
            found += class_rules.automatic_accuracy(judged, known, allowed)
    if rows.source == ("audit" if outdated else "test") and len(judged):
        found.append(rules_of.calibration(judged, params, draws, seed))
    return found


def _moved(
    candidate: Contestant,
    champion: Contestant | None,
    rows: Sequence[Compared],
    params: GateParams,
) -> set[str]:
    """Targets of which audited tickets of now show that the candidate answers them better."""
    if champion is None:
        return set()
    audited = (
        compared.with_labels(_known(compared.target, candidate, champion))
        for compared in rows
        if compared.source == "audit"
    )
    return {found.target for found in audited if len(found) and rules_of.is_better(found, params)}


def _known(target: str, candidate: Contestant, champion: Contestant) -> list[str]:
    """Labels that both answer."""
    return [label for label in candidate.targets[target] if label in champion.targets[target]]


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


def _behavior(candidate: Contestant, champion: Contestant | None, params: GateParams) -> Rule:
    """Whether it fails no behavioural test beyond chance, but for those the champion fails too."""
    name = "behaviour"
    if candidate.behavior is None:
        return Rule(name=name, passed=False, why="the suites were not run on the candidate")
    failed = _failed(candidate.behavior)
    chance = failed - _failed(candidate.behavior, 1 - params.confidence)
    excused = failed & (_failed(champion.behavior) if champion and champion.behavior else set())
    left = failed - excused - chance
    tried = sum(outcome.passed is not None for outcome in candidate.behavior.outcomes)
    why = f"{tried - len(failed)} of {tried} tests pass"
    for told, names in (
        ("failed", left),
        ("failed by so few tickets that it may be chance", chance - excused),
        ("the champion fails as well", excused),
    ):
        if names:
            why += f"; {told}: {', '.join(sorted(names))}"
    return Rule(name=name, passed=not left, value=float(len(failed)), why=why)


def _failed(report: BehaviorReport, level: float = 1.0) -> set[str]:
    """Tests that fail, and would so at most this often if just as many as asked were to pass."""
    return {
        f"{one.name} ({one.target})"
        for one in report.outcomes
        if one.passed is False and binom.sf(one.failures - 1, one.cases, 1 - one.minimum) <= level
    }


def _latency(candidate: Contestant, champion: Contestant | None, params: GateParams) -> Rule:
    took, limit = candidate.latency_ms, params.latency_ms
    if took is None:
        return Rule(name="latency", passed=False, limit=limit, why="it was not measured")
    beside = ""
    if champion and champion.latency_ms:
        beside = f", the champion {champion.latency_ms:.1f}"
        if params.latency_ratio is not None:
            slower = champion.latency_ms * params.latency_ratio + LATENCY_NOISE_MS
            limit = min(limit, round(slower, 1))
    return Rule(
        name="latency",
        passed=took <= limit,
        value=took,
        limit=limit,
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
