"""What adjusting to other shares of the classes would do to certificates: reports/shares.json.

    python -m evaluation.prior_simulation [models/trained/ensemble/probabilities.npz]

Half of the train tickets, with their out-of-fold answers, certify a policy; the other half comes
with other shares of the classes. The new shares are estimated as drift does, from the answers to
2,000 tickets without labels. Then it is counted how many certified classes route less than the
promised share right, when

    left        nothing is done
    adjusted    the probabilities are adjusted, at the thresholds there are
    known       the same, had the new shares been known
    certified   the probabilities are adjusted, and thresholds certified anew on tickets of the
                first half, drawn in the new shares

Every ticket of the second half counts, weighed by how much commoner its class has become, so that
what is left of chance is in the halves alone. That is a pure shift of shares, the best case there
is for adjusting.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.prepared import read_prepared
from evaluation.drift_labels import adjust_posterior, em_priors, matched_rows
from evaluation.files import write_json
from models.base import Probabilities
from models.calibration import apply_temperature, fit_temperature
from models.routing import RoutingParams, RoutingPolicy, fit_policy

logger = logging.getLogger(__name__)

PREPARED = Path("data/prepared")
ANSWERS = Path("models/trained/ensemble/probabilities.npz")
REPORT = Path("evaluation/reports/shares.json")
REPEATS = 40
WINDOW = 2_000
"""Tickets without labels that the new shares are estimated from."""

START = 2_400
"""Rows of the first half at which the descent of each threshold begins; valid has as many."""

FEW = 20
"""Automatic tickets of a class below which nothing is said of it."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Tally:
    """How one way did under one shift, over all repeats."""

    accuracy: float
    automation: float
    automatic_accuracy: float
    classes: int
    short: int
    """Certified classes of which less than promised was right; `by_a_point`: by more than 0.01."""
    by_a_point: int
    worst: float
    """Of the least accurate class, on average over the repeats."""


def simulate(
    probabilities: Probabilities, truth: Integers, repeats: int = REPEATS, seed: int = 0
) -> dict[str, dict[str, Tally]]:
    """Shift -> way -> how it did.

    Parameters
    ----------
    probabilities : shape (n, k), calibrated, of models that did not learn from the row
    truth : class positions, shape (n,)
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for repeat in range(repeats):
        random = np.random.default_rng([seed, repeat])
        for shift, way, facts in _one_repeat(probabilities, truth, random):
            found.setdefault(shift, {}).setdefault(way, []).append(facts)
    return {
        shift: {way: _tally(facts) for way, facts in ways.items()} for shift, ways in found.items()
    }


def shifts(base: Floats, random: np.random.Generator) -> dict[str, Floats]:
    """Name -> shares of the classes, shape (k,)."""
    k = len(base)

    def times(classes: NDArray[np.int64] | int, factor: float) -> Floats:
        weights = np.ones(k)
        weights[classes] = factor
        shares: Floats = base * weights / (base @ weights)
        return shares

    one = int(random.integers(k))
    return {
        "none": base,
        "largest class a third": times(int(base.argmax()), 1 / 3),
        "smallest class four times": times(int(base.argmin()), 4),
        "one class three times": times(one, 3),
        "one class a quarter": times(one, 1 / 4),
        "half of the classes twice": times(random.permutation(k)[: k // 2], 2),
        "all classes alike": np.full(k, 1 / k),
    }


def measure(
    policy: RoutingPolicy, probabilities: Probabilities, truth: Integers, weights: Floats
) -> dict[str, Any]:
    """How a policy does on tickets that count with weights, shape (n,)."""
    decided = policy.decide(probabilities)
    right, automatic = decided.label == truth, decided.automatic
    classes = []
    for position in range(probabilities.shape[1]):
        rows = automatic & (decided.label == position)
        if rows.sum() >= FEW:
            classes.append(float(np.average(right[rows], weights=weights[rows])))
    return {
        "accuracy": np.average(right, weights=weights),
        "automation": np.average(automatic, weights=weights),
        "automatic_accuracy": np.average(right[automatic], weights=weights[automatic])
        if automatic.any()
        else np.nan,
        "classes": len(classes),
        "short": sum(one < policy.accuracy for one in classes),
        "by_a_point": sum(one < policy.accuracy - 0.01 for one in classes),
        "worst": min(classes, default=np.nan),
    }


def _one_repeat(
    probabilities: Probabilities, truth: Integers, random: np.random.Generator
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    k = probabilities.shape[1]
    order = random.permutation(len(truth))
    start = min(START, len(order) // 8)
    first, begin, second = np.split(order, [len(order) // 2 - start, len(order) // 2])
    base = np.bincount(truth, minlength=k) / len(truth)
    before = probabilities[first].mean(axis=0)
    policy = _certify(probabilities[first], truth[first], probabilities[begin], truth[begin])
    for shift, shares in shifts(base, random).items():
        weights = (shares / base)[truth[second]]
        window = random.choice(second, WINDOW, p=weights / weights.sum())
        estimated = em_priors(probabilities[window], before)
        adjusted = adjust_posterior(probabilities, before, estimated)
        ways = {
            "left": (policy, probabilities),
            "adjusted": (policy, adjusted),
            "known": (policy, adjust_posterior(probabilities, before, shares)),
        }
        seed = int(random.integers(2**31))
        kept = [matched_rows(truth[rows], estimated / before, seed) for rows in (first, begin)]
        if kept[0] is not None and kept[1] is not None:
            matched, matched_begin = first[kept[0]], begin[kept[1]]
            anew = _certify(
                adjusted[matched], truth[matched], adjusted[matched_begin], truth[matched_begin]
            )
            ways["certified"] = (anew, adjusted)
        for way, (used, answers) in ways.items():
            yield shift, way, measure(used, answers[second], truth[second], weights)


def _certify(
    probabilities: Probabilities, truth: Integers, begin: Probabilities, begin_truth: Integers
) -> RoutingPolicy:
    names = tuple(map(str, range(probabilities.shape[1])))
    params = RoutingParams()
    return fit_policy((probabilities, truth), (begin, begin_truth), names, params, "simulated")


def _tally(facts: list[dict[str, Any]]) -> Tally:
    def mean(name: str) -> float:
        return float(np.nanmean([one[name] for one in facts]))

    def total(name: str) -> int:
        return int(sum(one[name] for one in facts))

    return Tally(
        mean("accuracy"), mean("automation"), mean("automatic_accuracy"),
        total("classes"), total("short"), total("by_a_point"), mean("worst"),
    )  # fmt: skip


def read_answers(answers: Path, prepared: Path) -> tuple[str, Probabilities, Integers]:
    """The first target, its out-of-fold probabilities, calibrated, and what was right."""
    tickets = read_prepared(prepared)
    target = next(iter(tickets.targets))
    with np.load(answers, allow_pickle=False) as stored:
        probabilities = stored[target].astype(np.float64)
    truth = tickets.label_index(target)
    rows = tickets.rows("train")
    rows = rows[(truth[rows] >= 0) & ~np.isnan(probabilities[rows]).any(axis=1)]
    found, told = probabilities[rows], truth[rows]
    return target, apply_temperature(found, fit_temperature(found, told)), told


def tell(found: Mapping[str, Mapping[str, Tally]]) -> str:
    """The table, as Markdown."""
    lines = [
        "| shares | way | accuracy | automatic | right, automatic | classes short | by a point "
        "| worst class |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for shift, ways in found.items():
        for way, one in ways.items():
            lines.append(
                f"| {shift} | {way} | {one.accuracy:.3f} | {one.automation:.3f} "
                f"| {one.automatic_accuracy:.3f} | {one.short / one.classes:.1%} "
                f"| {one.by_a_point / one.classes:.1%} | {one.worst:.3f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    answers = Path(sys.argv[1]) if len(sys.argv) > 1 else ANSWERS
    target, probabilities, truth = read_answers(answers, PREPARED)
    logger.info("%s: %d out-of-fold answers", target, len(truth))
    found = simulate(probabilities, truth)
    told = {shift: {way: vars(one) for way, one in ways.items()} for shift, ways in found.items()}
    write_json(REPORT, {"target": target, "tickets": len(truth), "repeats": REPEATS, "ways": told})
    sys.stdout.write(tell(found))


if __name__ == "__main__":
    main()
