"""The closing table in the terminal: `python -m evaluation.summary`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.fetching import SAMPLE
from evaluation.wording import count, interval, number, percent

REPORTS = Path("evaluation/reports")
WIDTH = 88


def summarise(metrics: Mapping[str, Any], report: Path) -> str:
    """The figures a person wants to see when `make` is done.

    Parameters
    ----------
    metrics : the content of metrics.json
    report : path of the report, named at the end
    """
    lines = [*_alarm(metrics), *_head(metrics)]
    for target, figures in metrics["targets"].items():
        lines += ["", *_target(target, figures)]
    seconds, peak = metrics["seconds"], metrics["peak_mib"]
    lines.append("")
    if seconds:
        told = f"time      {sum(seconds.values()) / 60:.1f} min in all"
        lines.append(f"{told}, {count(max(peak.values()))} MiB at most" if peak else told)
    lines.append(f"report    {report}")
    return "\n".join(lines) + "\n"


def _alarm(metrics: Mapping[str, Any]) -> list[str]:
    if not metrics["fallback"]:
        return []
    rule = "!" * WIDTH
    return [
        rule,
        "!!  FALLBACK: the data set could not be fetched. These figures are of the bundled",
        "!!  SYNTHETIC SAMPLE and say nothing about real tickets.",
        rule,
        "",
    ]


def _head(metrics: Mapping[str, Any]) -> list[str]:
    kind = " (synthetic)" if metrics["dataset"] == SAMPLE else ""
    lines = [f"dataset   {metrics['dataset']}{kind}, {count(metrics['n_test'])} test tickets"]
    if metrics["bundle"]:
        lines.append(f"bundle    {metrics['bundle']}")
    if latency := metrics.get("latency"):
        lines.append(f"latency   {latency['p50_ms']:.0f} ms a ticket, 95 % {latency['p95_ms']:.0f}")
    if behavior := metrics.get("behavior"):
        failed = behavior["failed"]
        verdict = f"{failed} FAILED" if failed else "all passed"
        lines.append(f"behaviour {behavior['tests']} tests, {verdict}")
    return lines


def _target(target: str, figures: Mapping[str, Any]) -> list[str]:
    lines = [f"{target} ".ljust(WIDTH, "─")]
    for label, name, digits in (
        ("accuracy", "accuracy", None),
        ("macro F1", "macro_f1", 3),
        ("ECE", "ece", 4),
        ("certified automation", "certified_automation", None),
        ("  right among those", "automatic_accuracy", None),
        ("coverage at 95 %", "coverage_at_95", None),
    ):
        value, bounds = figures[name], figures[f"{name}_ci"]
        if digits is None:
            told, between = percent(value), interval(bounds)
        else:
            told = number(value, digits)
            between = "–".join(number(bound, digits) for bound in bounds) if bounds else ""
        lines.append(f"  {label:<22}{told:>9}   {f'[{between}]' if between else ''}".rstrip())
    if figures.get("level_error") is not None:
        lines.append(f"  {'levels off':<22}{number(figures['level_error'], 2):>9}")
    return [*lines, "", *_classes(figures["classes"])]


def _classes(classes: list[Mapping[str, Any]]) -> list[str]:
    longest = max(5, *(len(entry["label"]) for entry in classes))
    head = f"{'F1':>7}{'threshold':>11}{'proven':>9}{'automatic':>11}{'right':>9}"
    lines = [f"  {'class':<{longest}}{head}"]
    for entry in classes:
        cells = f"{number(entry['f1'], 2):>7}"
        if entry["certified"]:
            proven, right = percent(entry["lower_bound"]), percent(entry["accuracy"])
            cells += f"{number(entry['threshold']):>11}{proven:>9}"
            cells += f"{count(entry['automatic']):>11}{right:>9}"
        else:
            cells += "   not certified, always to a person"
        lines.append(f"  {entry['label']:<{longest}}{cells}")
    return lines


def read_metrics(folder: Path) -> dict[str, Any]:
    """The content of metrics.json.

    Raises
    ------
    DataError
        If there is none yet.
    """
    path = folder / "metrics.json"
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist: run `dvc repro` first") from None
    return metrics


def main() -> None:
    report = (REPORTS / "report.html").resolve()
    sys.stdout.write(summarise(read_metrics(REPORTS), report))


if __name__ == "__main__":
    main()
