"""The cascade held against the whole ensemble, on the test split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.certificate import class_table
from evaluation.intervals import exact_interval
from evaluation.metrics import Booleans, Floats, Integers, Outcomes
from evaluation.wording import count, interval, percent
from models.cascade import Cascade, joined

KEPT = (
    *("label", "certified", "threshold", "lower_bound"),
    *("automatic", "errors", "accuracy", "accuracy_ci", "verdict"),
)
"""Of what is said about a class; the rest is the same with and without a cascade."""


@dataclass(frozen=True)
class TwoTiers:
    """What both tiers answer to all test tickets for one target.

    Attributes
    ----------
    probabilities : shape (n, k), see `models.cascade.joined`
    stopped : shape (n,), at the first tier
    automatic : shape (n,), routed by either tier
    thresholds : label -> confidence at which an answer stops, None where it never does
    routing : the certificate of both tiers, as cascade.json holds it
    """

    probabilities: Floats
    stopped: Booleans
    automatic: Booleans
    thresholds: Mapping[str, float | None]
    routing: Mapping[str, Any]

    def take(self, rows: Integers) -> "TwoTiers":
        """The same of some of the tickets."""
        return TwoTiers(
            self.probabilities[rows],
            self.stopped[rows],
            self.automatic[rows],
            self.thresholds,
            self.routing,
        )


def answer_tiers(
    cascade: Cascade,
    first: Mapping[str, Floats],
    second: Mapping[str, Floats],
    languages: Sequence[str | None],
    novel: Booleans,
) -> dict[str, TwoTiers]:
    """Target -> what both tiers answer to the test tickets, and route.

    Parameters
    ----------
    first, second : target -> probabilities (n, k), of the first member as it gives them, and the
        calibrated ones of the ensemble
    languages, novel : of the tickets; who stops at the first tier is not found novel
    """
    calibrated = cascade.calibrated(first)
    stopped = cascade.stops(calibrated, languages)
    tiers = {}
    for name, found in cascade.targets.items():
        probabilities = joined(calibrated[name], second[name], stopped)
        spoken = {one: found.routing.speaks(one) for one in set(languages)}
        known = np.array([spoken[one] for one in languages], dtype=bool) & ~novel
        tiers[name] = TwoTiers(
            probabilities,
            stopped,
            found.routing.decide(probabilities).automatic & (stopped | known),
            found.thresholds,
            found.routing.model_dump(mode="json"),
        )
    return tiers


def measure_cascade(ensemble: Outcomes, tiers: TwoTiers, classes: Sequence[str]) -> dict[str, Any]:
    """How both tiers decide the labelled test tickets of one target.

    Parameters
    ----------
    ensemble : what all members together answer to the same tickets, and route

    Returns
    -------
    JSON-ready: `stopped` (share of the tickets that go no further), `agreement` (share decided as
    by the ensemble: the same label, and the same hand) with `agreement_ci`, `different` and what
    these tickets are (`other_label`, `only_cascade_routes`, `only_ensemble_routes`),
    `certified_automation`, `automatic_accuracy` with `automatic_accuracy_ci`, and per class its
    certificate with `stops_at`, `stopped` and `stopped_errors`. Intervals by Clopper and Pearson.
    """
    both = Outcomes(ensemble.labels, tiers.probabilities, tiers.automatic)
    alone = np.zeros(len(both), bool) if ensemble.automatic is None else ensemble.automatic
    other = both.predicted != ensemble.predicted
    more, less = tiers.automatic & ~alone & ~other, alone & ~tiers.automatic & ~other
    n, different = len(both), int((other | more | less).sum())
    routed, right = int(tiers.automatic.sum()), int((tiers.automatic & both.correct).sum())
    return {
        "n_test": n,
        "stopped": float(tiers.stopped.mean()),
        "agreement": 1 - different / n,
        "agreement_ci": exact_interval(n - different, n),
        "different": different,
        "other_label": int(other.sum()),
        "only_cascade_routes": int(more.sum()),
        "only_ensemble_routes": int(less.sum()),
        "certified_automation": routed / n,
        "automatic_accuracy": right / routed if routed else None,
        "automatic_accuracy_ci": exact_interval(right, routed) if routed else None,
        "classes": [
            {name: entry[name] for name in KEPT}
            | {
                "stops_at": tiers.thresholds[entry["label"]],
                "stopped": int((own := tiers.stopped & (both.predicted == position)).sum()),
                "stopped_errors": int((own & ~both.correct).sum()),
            }
            for position, entry in enumerate(class_table(both, classes, tiers.routing))
        ],
    }


def cascade_check(figures: Mapping[str, Any]) -> str:
    """The cascade of one target in words; empty where there is none.

    Parameters
    ----------
    figures : of the target, as in metrics.json
    """
    found = figures.get("cascade")
    if not found:
        return ""
    accuracy = found["automatic_accuracy_ci"]
    right = f" ({interval(accuracy)})" if accuracy else ""
    return (
        f"Where only the decision is asked for, the linear member alone decides about "
        f"{percent(found['stopped'])} of the tickets. {percent(found['agreement'], 2)} "
        f"({interval(found['agreement_ci'], 2)}) of all are decided as by the whole ensemble: "
        f"{count(found['different'])} of {count(found['n_test'])} are not. Both tiers together "
        f"route {percent(found['certified_automation'])}, "
        f"{percent(found['automatic_accuracy'])}{right} of those to the right place."
    )
