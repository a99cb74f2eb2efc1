"""The rules of the gate on the classes of a target: no class pays for the gain of the others.

They guard as those of `evaluation.gate_rules` do. Each target of each source is one family: all its
classes together refuse a candidate as good as the champion with probability 1 - confidence at most.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binom

from evaluation.gate_decision import Rule
from evaluation.gate_params import GateParams
from evaluation.gate_rows import Answers, Compared, share
from evaluation.intervals import exact_interval
from evaluation.metrics import Booleans
from evaluation.paired import compare_accuracies, compare_shares, holm

RECALL = "recall of a class"
PRECISION = "automatic accuracy of a class"
CERTIFICATE = "certificate"


def recall(rows: Compared, labels: Sequence[str], params: GateParams) -> list[Rule]:
    """Of each class, whether fewer of its tickets are found; corrected for their number."""
    candidate, champion = rows.both
    classes = [label for label in labels if np.any(rows.truth == label)]
    found = []
    for label in classes:
        own = rows.truth == label
        right = [answers.label[own] == label for answers in (candidate, champion)]
        found.append((compare_shares(right[0], right[1], rows.groups[own]), right))
    shown = holm([paired.worse for paired, _ in found], 1 - params.confidence)
    level = 1 - (1 - params.confidence) / max(1, len(classes))
    rules = []
    for label, (paired, right), real in zip(classes, found, shown, strict=True):
        passed = not (real and paired.difference < -params.class_budget)
        why = f"{share(right[0])} against {share(right[1])} of {paired.n} found"
        bounds = paired.interval(level)
        rules.append(
            rows.rule(
                RECALL, passed, paired.difference, -params.class_budget, bounds, label, why=why
            )
        )
    return rules


def automatic_accuracy(rows: Compared, labels: Sequence[str], params: GateParams) -> list[Rule]:
    """Of each class, whether what is routed to it unseen is right as often; likewise corrected."""
    both = rows.both
    classes, found = [], []
    for label in labels:
        routed = [answers.automatic & (answers.label == label) for answers in both]
        if routed[0].any() and routed[1].any():
            sides = [*routed, routed[0] & routed[1]]
            classes.append(label)
            found.append([_right_of(rows, label, side) for side in sides])
    level = 1 - (1 - params.confidence) / max(1, len(classes))
    rules = []
    for label, (first, second, shared) in zip(classes, found, strict=True):
        low, high = compare_accuracies(first, second, shared, level)
        difference = first[0] / first[1] - second[0] / second[1]
        passed = not (high < 0 and difference < -params.class_budget)
        why = f"{first[0]} of {first[1]} right against {second[0]} of {second[1]}"
        rules.append(
            rows.rule(
                PRECISION, passed, difference, -params.class_budget, (low, high), label, why=why
            )
        )
    return rules


def certificate(
    rows: Compared, answers: Answers, promised: float, params: GateParams, *, own: bool
) -> tuple[Rule, frozenset[str]]:
    """Whether each class keeps the accuracy promised for it, and which classes do not.

    Parameters
    ----------
    own : whether the answers are the candidate's; those of the champion are told, not judged
    """
    classes, tails, counts = [], [], []
    for label in sorted(set(answers.label[answers.automatic].tolist())):
        right, n = _right_of(rows, label, answers.automatic & (answers.label == label))
        classes.append(label)
        counts.append((right, n))
        tails.append(float(binom.cdf(right, n, promised)))
    shown = holm(tails, 1 - params.confidence)
    broken = [place for place, real in enumerate(shown) if real]
    if not classes:
        why = "nothing is routed unseen, so nothing is promised"
        rule = rows.rule(CERTIFICATE, True if own else None, None, promised, None, why=why)
        return rule, frozenset()
    worst = min(range(len(classes)), key=lambda place: counts[place][0] / counts[place][1])
    named = "; ".join(
        f"{classes[place]}: {counts[place][0]} of {counts[place][1]} right" for place in broken
    )
    whose = "" if own else "of the champion: "
    why = whose + (
        f"below the {promised:g} promised beyond chance: {named}"
        if broken
        else f"{len(classes)} classes keep what was promised, within chance"
    )
    right, n = counts[worst]
    low, high = exact_interval(right, n)
    passed = not broken if own else None
    rule = rows.rule(CERTIFICATE, passed, right / n, promised, (low, high), why=why)
    return rule, frozenset(classes[place] for place in broken)


def _right_of(rows: Compared, label: str, routed: Booleans) -> tuple[int, int]:
    """Groups of near-duplicates routed to a class, those wholly right first."""
    names, member_of = np.unique(rows.groups[routed], return_inverse=True)
    wrong = np.zeros(len(names), dtype=bool)
    np.logical_or.at(wrong, member_of, rows.truth[routed] != label)
    return int(np.sum(~wrong)), len(names)
