"""The figures of levels: how right, how far off, and whether confidence holds."""

import numpy as np

from evaluation.intervals import (
    Counts,
    exact_interval,
    measure_with_intervals,
    percentile_interval,
)
from evaluation.league.benchmark import Figure
from evaluation.metrics import Floats, Outcomes, expected_calibration_error
from evaluation.ordinal import LEVEL_FIGURES, measure_levels
from models.calibration import SMALLEST

TOLD = (
    "accuracy",
    "macro_f1",
    *LEVEL_FIGURES,
    "ece",
    "certified_automation",
    "automatic_accuracy",
)

OVERCONFIDENCE = "confidence less accuracy"

CHANCE = "ece, were every answer as sure as right"
"""What the same confidences would measure if they held: so much of an ECE is chance."""

_DRAWS = 1_000


def level_figures(split: str, outcomes: Outcomes, counts: Counts) -> list[Figure]:
    """The figures of `TOLD` that exist, and the log loss."""
    measured = measure_with_intervals(outcomes, counts) | measure_levels(outcomes, counts)
    assert outcomes.automatic is not None
    if not outcomes.automatic.any():
        # Resampling rows of which none is automatic shows no uncertainty where there is some.
        measured["certified_automation_ci"] = exact_interval(0, len(outcomes))
    figures = []
    for metric in TOLD:
        value, interval = measured[metric], measured[f"{metric}_ci"]
        if isinstance(value, float):
            ci = (interval[0], interval[1]) if isinstance(interval, list) else None
            figures.append(Figure(split=split, metric=metric, value=value, ci=ci, n=len(outcomes)))
    rows = by_row(outcomes)
    return [
        *figures,
        mean_figure(split, "log_loss", rows["log_loss"], counts),
        overconfidence(split, outcomes, counts),
    ]


def overconfidence(split: str, outcomes: Outcomes, counts: Counts) -> Figure:
    """Below 0 the answers promise less than they keep."""
    right = outcomes.correct.astype(np.float64)
    return mean_figure(split, OVERCONFIDENCE, outcomes.confidence - right, counts)


def calibration_figures(split: str, outcomes: Outcomes, counts: Counts) -> list[Figure]:
    """The ECE, and how much of it few rows alone make."""
    ece, interval = (measure_with_intervals(outcomes, counts)[name] for name in ("ece", "ece_ci"))
    assert isinstance(ece, float)
    ci = (interval[0], interval[1]) if isinstance(interval, list) else None
    return [
        Figure(split=split, metric="ece", value=ece, ci=ci, n=len(outcomes)),
        chance_figure(split, outcomes),
    ]


def chance_figure(split: str, outcomes: Outcomes) -> Figure:
    """The part of an ECE that few rows alone make."""
    value = ece_by_chance(outcomes.confidence)
    return Figure(split=split, metric=CHANCE, value=value, n=len(outcomes))


def ece_by_chance(confidence: Floats, draws: int = _DRAWS) -> float:
    """Mean expected calibration error of answers that are right as often as they are sure."""
    random = np.random.default_rng(0)
    found = [
        expected_calibration_error(random.random(len(confidence)) < confidence, confidence)
        for _ in range(draws)
    ]
    return float(np.mean(found))


def by_row(outcomes: Outcomes) -> dict[str, Floats]:
    """Figures that are means over the rows, one value per row."""
    right = outcomes.probabilities[np.arange(len(outcomes)), outcomes.labels]
    return {
        "accuracy": outcomes.correct.astype(np.float64),
        "level_error": np.abs(outcomes.predicted - outcomes.labels).astype(np.float64),
        "log_loss": -np.log(np.maximum(right, SMALLEST)),
    }


def mean_figure(split: str, metric: str, values: Floats, counts: Counts) -> Figure:
    """The mean of one value per row, with its interval."""
    draws = counts.astype(np.float64) @ values / counts.sum(axis=1)
    interval = percentile_interval(draws)
    ci = (interval[0], interval[1]) if interval else None
    return Figure(split=split, metric=metric, value=float(values.mean()), ci=ci, n=len(values))
