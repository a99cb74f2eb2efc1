"""The page of a comparison: what is to be done and why, then Evidently's plots of every column.

One HTML file that opens offline. Of a ticket it holds lengths, answers and the like; no text.
"""

from typing import Any

import numpy as np
import pandas as pd

from evaluation.drift_report import Action, DriftReport, Estimate, WindowFacts
from evaluation.drift_window import Window
from evaluation.templates import open_templates

TEMPLATE = "drift_page.html.j2"

HEADLINES: dict[Action, tuple[str, str]] = {
    "nothing": ("Nothing needs to be done", "#2e7d32"),
    "adjust_priors": ("The classes come in other shares: audit, then retrain", "#b26a00"),
    "relabel": ("People should label some of these tickets", "#b26a00"),
    "retrain": ("A new model should be trained", "#b71c1c"),
}


def render_page(report: DriftReport, reference: Window, current: Window) -> str:
    """The whole page; Evidently takes seconds to import, so only here."""
    summary = render_summary(report)
    if not report.enough:
        return f"<!DOCTYPE html><html lang='en'><meta charset='utf-8'><body>{summary}</body></html>"
    plots = _evidently(reference, current, report)
    head, body, rest = plots.partition("<body>")
    return f"{head}{body}{summary}{rest}"


def render_summary(report: DriftReport) -> str:
    """The part that a person reads first, as HTML without a document around it."""
    environment = open_templates()
    headline, colour = HEADLINES[report.action]
    return environment.get_template(TEMPLATE).render(
        report=report,
        headline=headline if report.enough else "Too few tickets to judge",
        colour=colour if report.enough else "#777",
        caveats=sorted({found.caveat for found in report.accuracy.values()}),
        percent=_percent,
        estimate=_estimate,
        period=_period,
    )


def as_frame(window: Window, targets: tuple[str, ...]) -> pd.DataFrame:
    """A window as the table that Evidently plots: a row per ticket."""
    columns: dict[str, Any] = {"language": window.languages, "characters": window.lengths}
    if window.unknown_words is not None:
        columns["unknown words"] = window.unknown_words
    for target in targets:
        answers = window.targets[target]
        columns[f"{target}: answer"] = answers.names()
        columns[f"{target}: confidence"] = answers.confidence
        if answers.automatic is not None:
            columns[f"{target}: routed"] = np.where(answers.automatic, "without a person", "review")
    return pd.DataFrame(columns)


def _evidently(reference: Window, current: Window, report: DriftReport) -> str:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    targets = tuple(report.accuracy)
    frames = [as_frame(window, targets) for window in (current, reference)]
    shared = [name for name in frames[0] if name in frames[1]]
    numbers = [name for name in shared if pd.api.types.is_numeric_dtype(frames[0][name])]
    definition = DataDefinition(
        numerical_columns=numbers,
        categorical_columns=[name for name in shared if name not in numbers],
    )
    now, then = (Dataset.from_pandas(f[shared], data_definition=definition) for f in frames)
    # Its own verdicts rest on other limits than ours: distances, so that they do not follow n.
    drawn = Report([ValueDrift(column=name, method="jensenshannon") for name in shared]).run(
        now, then
    )
    return str(drawn.get_html_str(as_iframe=False))


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return "not known"
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


def _period(facts: WindowFacts) -> str:
    since = f" from {facts.since}" if facts.since else ""
    until = f" to {facts.until}" if facts.until else ""
    return f",{since}{until}" if since or until else ""
