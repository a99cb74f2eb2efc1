"""The report: one HTML file that opens offline, for the one who decides and the one who checks."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml
from markupsafe import Markup

from evaluation import plots, wording
from evaluation.assessment import TargetAssessment
from evaluation.cascade import cascade_check
from evaluation.curves import confusion_counts, reliability_table, risk_coverage_table
from evaluation.files import Evaluation
from evaluation.templates import open_templates
from evaluation.tradeoff_plot import tradeoff_figure

TEMPLATE = "report.html.j2"
EXCERPT = 260
MISTAKES = 12
LABEL_ERRORS = 10
LARGEST_MATRIX = 20
"""Classes up to which the confusion matrix is shown whole; beyond, only its largest cells."""

SYSTEM_COLUMNS = (
    ("accuracy", "Accuracy"),
    ("macro_f1", "Macro F1"),
    ("ece", "ECE"),
    ("certified_automation", "Certified automation"),
    ("automatic_accuracy", "Accuracy of automatic"),
    ("coverage_at_95", "Coverage at 95 %"),
)


def render_report(evaluation: Evaluation) -> str:
    """The whole report as one HTML document, with no reference to anything outside it."""
    environment = open_templates()
    environment.filters.update(
        percent=wording.percent,
        number=wording.number,
        count=wording.count,
        interval=wording.interval,
        listing=wording.listing,
    )
    return environment.get_template(TEMPLATE).render(
        e=evaluation,
        summary=evaluation.summary,
        targets=[_target_view(evaluation, found) for found in evaluation.targets.values()],
        columns=SYSTEM_COLUMNS,
        stages=_stages(evaluation),
        tradeoffs=_tradeoffs(evaluation),
        params=yaml.safe_dump(dict(evaluation.params), sort_keys=False, allow_unicode=True),
    )


def excerpt(text: str, characters: int = EXCERPT) -> str:
    """The beginning of a text on one line, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= characters:
        return line
    return line[:characters].rsplit(" ", 1)[0] + " …"


def find_mistakes(found: TargetAssessment, most: int = MISTAKES) -> list[dict[str, Any]]:
    """The wrong answers given with most confidence, most confident first."""
    outcomes = found.ensemble
    wrong = np.flatnonzero(~outcomes.correct)
    worst = wrong[np.argsort(-outcomes.confidence[wrong], kind="stable")][:most]
    return [
        {
            "id": found.tickets.ids[row],
            "text": excerpt(found.tickets.texts[row]),
            "given": found.classes[outcomes.labels[row]],
            "answered": found.classes[outcomes.predicted[row]],
            "confidence": float(outcomes.confidence[row]),
            "given_probability": float(outcomes.probabilities[row, outcomes.labels[row]]),
            "automatic": outcomes.automatic is not None and bool(outcomes.automatic[row]),
        }
        for row in worst
    ]


def find_confusions(found: TargetAssessment, most: int = 8) -> list[dict[str, Any]]:
    """The commonest pairs of given and wrongly answered label."""
    counts = confusion_counts(found.ensemble)
    sizes = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(found.classes)) for place in order]
    return [
        {
            "given": found.classes[row],
            "answered": found.classes[column],
            "tickets": int(counts[row, column]),
            "share": float(counts[row, column] / sizes[row]),
        }
        for row, column in pairs
        if counts[row, column]
    ]


def draw_figures(found: TargetAssessment) -> dict[str, Any]:
    """Name -> matplotlib figure of one target: `reliability`, `risk_coverage`, `confusion`."""
    figures = found.figures
    automatic, accuracy = figures["certified_automation"], figures["automatic_accuracy"]
    systems = {"ensemble": found.ensemble, **found.members}
    return {
        "reliability": plots.reliability_figure(reliability_table(found.ensemble), figures["ece"]),
        "risk_coverage": plots.risk_coverage_figure(
            {name: risk_coverage_table(outcomes) for name, outcomes in systems.items()},
            (automatic, accuracy) if accuracy is not None else None,
            float(found.routing["accuracy"]),
        ),
        "confusion": plots.confusion_figure(confusion_counts(found.ensemble), found.classes),
    }


def _target_view(evaluation: Evaluation, found: TargetAssessment) -> dict[str, Any]:
    figures = found.figures
    statement, quality = wording.headline(figures)
    matrix = confusion_counts(found.ensemble)
    return {
        "name": found.target,
        "slug": "".join(c if c.isalnum() else "-" for c in found.target.lower()),
        "figures": figures,
        "routing": found.routing,
        "statement": statement,
        "quality": quality,
        "levels_check": wording.levels_check(figures),
        "languages_check": wording.languages_check(found.routing),
        "held_out_check": wording.held_out_check(found.routing),
        "cascade": figures.get("cascade"),
        "cascade_check": cascade_check(figures),
        "hundred": wording.hundred_tickets(
            figures["certified_automation"] or 0.0, figures["automatic_accuracy"]
        ),
        "uncertified": [
            {"label": entry["label"], "reason": _reason(found.routing, entry["label"])}
            for entry in figures["classes"]
            if not entry["certified"]
        ],
        "systems": [
            {"name": "ensemble", "figures": figures, "comparison": None},
            *(
                {"name": name, "figures": own, "comparison": figures["comparison"][name]}
                for name, own in figures["members"].items()
            ),
        ],
        "plots": _inline(found),
        "matrix": None if len(found.classes) > LARGEST_MATRIX else _matrix_view(found, matrix),
        "confusions": find_confusions(found),
        "mistakes": find_mistakes(found),
        "scale": _scale(figures),
        "label_errors": _label_errors(evaluation, found.target),
    }


def _inline(found: TargetAssessment) -> dict[str, Markup]:
    """The curves as SVG; what a figure shows is said in words too."""
    figures, drawn = found.figures, draw_figures(found)
    told = {
        "reliability": f"Reliability of {found.target}: measured accuracy against confidence; "
        f"the mean gap is {figures['ece']:.4f}.",
        "risk_coverage": f"Risk and coverage of {found.target}: accuracy of the most confident "
        f"share of tickets. At {wording.percent(figures['coverage_at_95'])} of the tickets it is "
        "still 95 %.",
    }
    # Markup is safe here: the SVG is our own drawing, and `to_svg` escapes the words in it.
    return {
        name: Markup(plots.to_svg(drawn[name], f"{found.target}-{name}", alt))  # noqa: S704
        for name, alt in told.items()
    }


def _tradeoffs(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Target by target, the designs with their drawing, the quickest first."""
    views = []
    for target in dict.fromkeys(design.target for design in evaluation.designs):
        designs = [design for design in evaluation.designs if design.target == target]
        designs.sort(key=lambda design: design.milliseconds)
        alt = f"Accuracy and automation of {target} against milliseconds; the table has the figures"
        drawing = plots.to_svg(tradeoff_figure(designs), f"{target}-tradeoffs", alt)
        # As in `_inline`: our own drawing.
        views.append({"target": target, "designs": designs, "drawing": Markup(drawing)})  # noqa: S704
    return views


def _matrix_view(found: TargetAssessment, counts: np.ndarray) -> list[dict[str, Any]]:
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    return [
        {
            "label": label,
            "total": int(counts[row].sum()),
            "cells": [
                {"count": int(counts[row, column]), "share": float(shares[row, column])}
                for column in range(len(found.classes))
            ],
        }
        for row, label in enumerate(found.classes)
    ]


def _scale(figures: Mapping[str, Any]) -> float:
    """Where the axis of the slices' bars begins: below every interval, in steps of 10 %."""
    bounds = [entry["accuracy_ci"][0] for entry in figures["slices"] if entry["accuracy_ci"]]
    lowest = float(min([*bounds, 0.9]))
    return max(0.0, math.floor(10 * lowest) / 10)


def _reason(routing: Mapping[str, Any], label: str) -> str:
    found = routing["classes"].get(label, {})
    return str(found.get("reason") or "the calibration tickets did not prove the accuracy promised")


def _label_errors(evaluation: Evaluation, target: str) -> dict[str, Any]:
    table = evaluation.label_errors
    own = table[table["target"] == target]
    shown = own.head(LABEL_ERRORS).to_dict("records")
    for row in shown:
        row["text"] = excerpt(evaluation.excerpts.get(row["id"], ""))
    return {"total": len(own), "shown": shown}


def _stages(evaluation: Evaluation) -> list[dict[str, Any]]:
    seconds, peak = evaluation.costs["seconds"], evaluation.costs["peak_mib"]
    longest = max(seconds.values(), default=1.0) or 1.0
    return [
        {
            "name": name,
            "seconds": seconds.get(name),
            "peak_mib": peak.get(name),
            "share": seconds.get(name, 0.0) / longest,
        }
        for name in dict.fromkeys([*seconds, *peak])
    ]
