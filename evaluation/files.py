"""What the evaluation leaves for other programs: metrics.json and the tables behind DVC's plots."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from data.fetching import SAMPLE
from evaluation.assessment import TargetAssessment
from evaluation.curves import confusion_rows, reliability_table, risk_coverage_table
from evaluation.league.published import Table
from evaluation.suites import BehaviorReport
from evaluation.tradeoffs import Design


@dataclass(frozen=True)
class Evaluation:
    """All that one look at the test split has shown.

    Attributes
    ----------
    summary : the content of data/prepared/summary.json
    bundle : version the trained parts will have once sealed, None where unknown
    costs : `seconds` and `peak_mib`, each stage -> value
    latency : from `evaluation.costs.measure_latency`; empty where not measured
    label_errors : from `evaluation.label_errors`, all targets together
    excerpts : id -> text of the tickets the report shows as suspected label errors
    tiers : from `evaluation.cascade_costs.measure_tiers`; empty where not measured
    machine : cores and instructions, see `evaluation.costs.describe_machine`
    designs : what other choices of members are worth and take; none where that was not measured
    readers : what is read beside the targets -> data set, figures and intervals on its test rows
    runtimes : what was tried in torch's place, see `models.runtime_file.RuntimeFile.facts`
    """

    summary: Mapping[str, Any]
    bundle: str | None
    targets: Mapping[str, TargetAssessment]
    costs: Mapping[str, Mapping[str, float]]
    latency: Mapping[str, float]
    behavior: BehaviorReport | None
    league: tuple[Table, ...]
    label_errors: pd.DataFrame
    excerpts: Mapping[str, str]
    params: Mapping[str, Any]
    readers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    machine: Mapping[str, str | int] = field(default_factory=dict)
    tiers: Mapping[str, float] = field(default_factory=dict)
    designs: tuple[Design, ...] = ()
    runtimes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def fallback(self) -> bool:
        return bool(self.summary["fallback"])

    @property
    def synthetic(self) -> bool:
        """True for the bundled sample, whether it was asked for or stood in."""
        return self.fallback or self.summary["dataset"] == SAMPLE

    @property
    def n_test(self) -> int:
        return int(self.summary["splits"]["test"])


def metrics_of(evaluation: Evaluation) -> dict[str, Any]:
    """The content of metrics.json; lists hold the detail, which DVC's metrics leave out."""
    return {
        "dataset": evaluation.summary["dataset"],
        "fallback": evaluation.fallback,
        "published_split": evaluation.summary["published_split"],
        "bundle": evaluation.bundle,
        "n_test": evaluation.n_test,
        "readers": evaluation.readers,
        "runtimes": evaluation.runtimes,
        "seconds": dict(evaluation.costs["seconds"]),
        "peak_mib": dict(evaluation.costs["peak_mib"]),
        "machine": dict(evaluation.machine),
        "latency": dict(evaluation.latency),
        "cascade": dict(evaluation.tiers),
        "behavior": None
        if evaluation.behavior is None
        else {
            "passed": evaluation.behavior.passed,
            "tests": len(evaluation.behavior.outcomes),
            "failed": sum(outcome.passed is False for outcome in evaluation.behavior.outcomes),
            "skipped_cases": evaluation.behavior.skipped,
        },
        "label_errors": len(evaluation.label_errors),
        "targets": {name: dict(found.figures) for name, found in evaluation.targets.items()},
    }


def without_slices(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics as they are kept: no per-slice detail, and null for what is not a number."""
    kept: dict[str, Any] = {}
    for key, value in metrics.items():
        if key == "slices":
            continue
        if isinstance(value, Mapping):
            kept[key] = without_slices(value)
        elif isinstance(value, float) and not math.isfinite(value):
            kept[key] = None
        else:
            kept[key] = value
    return kept


def plot_tables(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Name of the file -> table, each with the columns `target` and, for curves, `system`."""
    reliability, coverage, confusion = [], [], []
    for name, found in evaluation.targets.items():
        for system, outcomes in {"ensemble": found.ensemble, **found.members}.items():
            marks = {"target": name, "system": system}
            reliability.append(reliability_table(outcomes).assign(**marks))
            coverage.append(risk_coverage_table(outcomes).assign(**marks))
        confusion.append(confusion_rows(found.ensemble, found.classes).assign(target=name))
    return {
        "reliability.csv": pd.concat(reliability, ignore_index=True).round(6),
        "risk_coverage.csv": pd.concat(coverage, ignore_index=True).round(6),
        "confusion.csv": pd.concat(confusion, ignore_index=True),
    }


def write_json(path: Path, content: object) -> None:
    """Write JSON that refuses NaN: other programs' readers would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
