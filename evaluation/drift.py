"""Drift between two windows: what moved, whether it matters, and what is to be done.

Read on in `drift_window` (what a window is), `drift_tests` and `drift_embedding` (the checks),
`drift_labels` and `drift_accuracy` (what a shift means), `drift_action` (what follows from it).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evaluation.drift_accuracy import estimate_accuracy, find_concept_shift, find_loss
from evaluation.drift_action import choose_action, choose_to_label, find_kinds
from evaluation.drift_embedding import EmbeddingShift, compare_vectors
from evaluation.drift_labels import estimate_priors, matched_rows
from evaluation.drift_report import (
    Check,
    ClassShift,
    ConceptShift,
    DriftReport,
    LabelShift,
    Rules,
)
from evaluation.drift_tests import Finding, compare_numbers, compare_shares, conclude
from evaluation.drift_window import Answers, Window
from evaluation.drift_words import shifted_words

ALIKE = 0.95
"""Share of the reference that counts as like the reference, by the domain classifier."""

LEAST_EMBEDDED = 50
"""Vectors of a window that a classifier can be taught with."""

MOST_CLASSES = 10
LEAST_SHARE = 0.01
"""Of tickets with an entity of a kind, in either window, for the kind to be looked at."""


def find_drift(
    reference: Window, current: Window, rules: Rules | None = None, seed: int = 0
) -> DriftReport:
    """Compare a window with an earlier one, or with the reference of a bundle.

    The probability of any flag where nothing has moved is at most `rules.alpha` over all
    `rules.looks` together. Tickets count as independent: a flood of copies of one ticket is drift.
    """
    rules = rules or Rules()
    smallest = min(len(reference), len(current))
    if smallest < rules.least:
        few = reference if len(reference) == smallest else current
        return DriftReport(
            reference=reference.facts,
            current=current.facts,
            enough=False,
            rules=rules,
            reasons=(
                f"{few.facts.name} holds {len(few)} tickets, too few to judge: "
                f"{rules.least} are needed.",
            ),
        )
    shift = _compare_embeddings(reference, current, seed)
    alike, newness = _look_alike(current, shift, reference)
    targets = _common_targets(reference, current)
    findings = [*_input_findings(reference, current, rules), *_embedding_findings(shift, rules)]
    concept: dict[str, ConceptShift] = {}
    for target, (then, now) in targets.items():
        findings += _answer_findings(target, then, now, rules)
        suspected = find_concept_shift(target, then, now, alike, rules)
        concept[target] = suspected.told
        lost = find_loss(target, then, now, rules)
        findings += [found for found in (suspected.finding, lost) if found is not None]
    checks = conclude(findings, rules.level)
    drifted = {check.name for check in checks if check.drifted}
    concept = {
        target: found.model_copy(update={"state": "seen"})
        if f"{target}.concept" in drifted
        else found
        for target, found in concept.items()
    }
    label_shift = _label_shifts(reference, current, targets, checks, rules, seed)
    accuracy = {
        target: estimate_accuracy(then, now, seed) for target, (then, now) in targets.items()
    }
    kinds = find_kinds(checks, label_shift, concept)
    action, reasons = choose_action(checks, kinds, label_shift, accuracy, concept, rules)
    chosen: tuple[str, ...] = ()
    if action == "relabel" and targets:
        chosen = choose_to_label(current, _worst(targets), newness, rules.relabel)
    return DriftReport(
        reference=reference.facts,
        current=current.facts,
        enough=True,
        rules=rules,
        checks=checks,
        kinds=kinds,
        label_shift=label_shift,
        accuracy=accuracy,
        concept=concept,
        words=shifted_words(reference.words, current.words) if drifted else (),
        classes=_class_shifts(targets, alike) if drifted else (),
        to_label=chosen,
        action=action,
        reasons=tuple(reasons),
    )


Pairs = Mapping[str, tuple[Answers, Answers]]


def _common_targets(reference: Window, current: Window) -> dict[str, tuple[Answers, Answers]]:
    """Targets answered in both windows, among the same classes."""
    return {
        target: (then, current.targets[target])
        for target, then in reference.targets.items()
        if target in current.targets and then.classes == current.targets[target].classes
    }


def _input_findings(reference: Window, current: Window, rules: Rules) -> list[Finding]:
    findings = [
        compare_shares("language", "input", reference.languages, current.languages, rules.share),
        compare_numbers("length", "input", reference.lengths, current.lengths, rules.distribution),
    ]
    if reference.unknown_words is not None and current.unknown_words is not None:
        findings.append(
            compare_numbers(
                "unknown_words",
                "input",
                reference.unknown_words,
                current.unknown_words,
                rules.distribution,
            )
        )
    for column, kind in enumerate(reference.kinds):
        if kind not in current.kinds:
            continue
        then = reference.entities[:, column]
        now = current.entities[:, current.kinds.index(kind)]
        if max(then.mean(), now.mean()) >= LEAST_SHARE:
            findings.append(
                compare_shares(
                    f"entities.{kind}", "input", _yes_no(then), _yes_no(now), rules.share
                )
            )
    return findings


def _answer_findings(target: str, then: Answers, now: Answers, rules: Rules) -> list[Finding]:
    findings = [
        compare_shares(f"{target}.labels", "output", then.names(), now.names(), rules.share),
        compare_numbers(
            f"{target}.confidence", "output", then.confidence, now.confidence, rules.distribution
        ),
    ]
    if then.automatic is not None and now.automatic is not None:
        findings.append(
            compare_shares(
                f"{target}.decision",
                "output",
                _yes_no(then.automatic),
                _yes_no(now.automatic),
                rules.share,
            )
        )
    return findings


def _compare_embeddings(reference: Window, current: Window, seed: int) -> EmbeddingShift | None:
    if reference.embeddings is None or current.embeddings is None:
        return None
    fewest = min(len(reference.embeddings), len(current.embeddings))
    if reference.encoder != current.encoder or fewest < LEAST_EMBEDDED:
        return None
    return compare_vectors(reference.embeddings, current.embeddings, seed)


def _embedding_findings(shift: EmbeddingShift | None, rules: Rules) -> list[Finding]:
    if shift is None:
        return []
    return [
        Finding(
            name="embedding.classifier",
            side="input",
            effect_name="AUC - 0.5",
            effect=max(0.0, shift.auc - 0.5),
            limit=rules.classifier,
            p_value=shift.auc_p,
            facts={"auc": shift.auc},
        ),
        Finding(
            name="embedding.mmd",
            side="input",
            effect_name="MMD",
            effect=shift.mmd,
            limit=rules.mmd,
            p_value=shift.mmd_p,
        ),
    ]


def _look_alike(
    current: Window, shift: EmbeddingShift | None, reference: Window
) -> tuple[NDArray[np.bool_] | None, NDArray[np.float64] | None]:
    """Whether each current ticket looks like the reference, and the scores of the embedded ones."""
    if shift is None or reference.embeddings is None:
        return None, None
    n = len(reference.embeddings)
    limit = np.quantile(shift.scores[:n], ALIKE)
    newness = shift.scores[n:]
    alike = np.zeros(len(current), dtype=np.bool_)
    alike[current.embedded] = newness <= limit
    return alike, newness


def _label_shifts(
    reference: Window,
    current: Window,
    targets: Pairs,
    checks: tuple[Check, ...],
    rules: Rules,
    seed: int,
) -> dict[str, LabelShift]:
    flagged = {check.name for check in checks if check.drifted}
    shifts = {}
    for target, (then, now) in targets.items():
        priors = estimate_priors(then, now)
        if priors is None:
            continue
        drifted = f"{target}.labels" in flagged and priors.effect >= rules.share
        explains = None
        if drifted and then.truth is not None:
            explains = _is_explained(reference, current, then.truth, priors.weights, rules, seed)
        shifts[target] = LabelShift(
            method="em" if priors.method == "em" else "bbse",
            reference=dict(zip(then.classes, priors.reference.tolist(), strict=True)),
            estimated=dict(zip(then.classes, priors.current.tolist(), strict=True)),
            effect=priors.effect,
            drifted=drifted,
            explains=explains,
        )
    return shifts


def _is_explained(
    reference: Window,
    current: Window,
    truth: NDArray[np.int64],
    weights: NDArray[np.float64],
    rules: Rules,
    seed: int,
) -> bool | None:
    """Whether the reference, drawn with the current shares of the classes, looks like today.

    None where too few of its tickets are left to tell.
    """
    rows = matched_rows(truth, weights, seed)
    if rows is None:
        return None
    matched = reference.take(rows)
    findings = _input_findings(matched, current, rules)
    findings += _embedding_findings(_compare_embeddings(matched, current, seed), rules)
    for target, (then, now) in _common_targets(matched, current).items():
        findings += _answer_findings(target, then, now, rules)
    return not any(check.drifted for check in conclude(findings, rules.level))


def _class_shifts(targets: Pairs, alike: NDArray[np.bool_] | None) -> tuple[ClassShift, ...]:
    """Classes whose share of the answers moved most, those of every target together."""
    shifts = []
    for target, (then, now) in targets.items():
        k = len(then.classes)
        before = np.bincount(then.predicted, minlength=k) / len(then.predicted)
        after = np.bincount(now.predicted, minlength=k) / len(now.predicted)
        total = float(np.abs(after - before).sum())
        for position, label in enumerate(then.classes):
            own = now.predicted == position
            shifts.append(
                ClassShift(
                    target=target,
                    label=label,
                    reference=float(before[position]),
                    current=float(after[position]),
                    part=float(abs(after[position] - before[position]) / total) if total else 0.0,
                    new=float((~alike[own]).mean()) if alike is not None and own.any() else None,
                )
            )
    shifts.sort(key=lambda shift: (-shift.part, shift.target, shift.label))
    return tuple(shifts[:MOST_CLASSES])


def _worst(targets: Pairs) -> str:
    """The target whose mean confidence fell most."""
    return max(
        targets, key=lambda t: targets[t][0].confidence.mean() - targets[t][1].confidence.mean()
    )


def _yes_no(values: NDArray[np.bool_]) -> list[str]:
    return ["yes" if value else "no" for value in values]
