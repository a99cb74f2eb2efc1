"""The rules of the gate on rows that both bundles answered.

Accuracy on the test split is strict: it must be shown that no more than the margin is lost. It is
only a guard where audited tickets of now show the candidate to be better: the test split is then
what tickets were, and what was learned since costs there what it brings here. All other rules
guard: they refuse what was measured to be worse by more than its budget where chance
does not explain it, so that a small class is judged by its interval and a large one by its figure.
A guard refuses a candidate that is as good as the champion with probability 1 - confidence at most.
"""

from collections.abc import Collection, Sequence

import numpy as np
from scipy.stats import norm

from evaluation.comparison import mcnemar
from evaluation.gate_decision import Rule
from evaluation.gate_params import GateParams
from evaluation.gate_rows import Answers, Compared, share
from evaluation.intervals import Counts, draw_counts
from evaluation.metrics import (
    BINS,
    Floats,
    Integers,
    calibration_bins,
    expected_calibration_error,
)
from evaluation.paired import Paired, compare_shares

ACCURACY = "accuracy"
AUTOMATION = "certified automation"
CALIBRATION = "calibration error"
NEW_LABELS = "new labels"

POWER = 0.8
"""Chance of passing that the number of rows wanted is told for."""


def is_better(rows: Compared, params: GateParams) -> bool:
    """Whether the candidate is shown to be right oftener on these rows."""
    candidate, champion = rows.both
    found = compare_shares(candidate.label == rows.truth, champion.label == rows.truth, rows.groups)
    return found.interval(params.confidence)[0] > 0


def accuracy(rows: Compared, params: GateParams, *, outdated: bool = False) -> Rule:
    """On test, whether no more than the margin is lost; elsewhere whether a loss was shown.

    Parameters
    ----------
    outdated : whether the candidate is better on audited tickets of now: on test it is then only
        refused if a loss of more than `params.forgotten` was shown
    """
    candidate, champion = rows.both
    first, second = candidate.label == rows.truth, champion.label == rows.truth
    found = compare_shares(first, second, rows.groups)
    low, high = found.interval(params.confidence)
    told = (
        f"{share(first)} against {share(second)} on {len(rows)} rows, "
        f"McNemar p {mcnemar(first, second).p_value:.2g}"
    )
    if rows.source != "test" or outdated:
        budget = params.forgotten if outdated else params.margin
        passed = not _is_harm(found, budget, params.confidence)
        if outdated:
            told += f"; better on audited tickets of now, it may lose {budget:g} here"
        return rows.rule(ACCURACY, passed, found.difference, -budget, (low, high), why=told)
    passed = low >= -params.margin
    if low > 0:
        why = f"{told}: better"
    elif passed:
        why = f"{told}: not worse by more than {params.margin:g}"
    elif high < 0:
        why = f"{told}: worse"
    else:
        why = (
            f"{told}: it may be worse by {-low:.4f}, allowed {params.margin:g}; "
            f"{_power(found, params)}"
        )
    return rows.rule(ACCURACY, passed, found.difference, -params.margin, (low, high), why=why)


def automation(
    rows: Compared, broken: tuple[Collection[str], Collection[str]], params: GateParams
) -> Rule:
    """Whether fewer tickets are routed under a certificate that holds.

    Parameters
    ----------
    broken : classes of candidate and champion whose certificate the rows refute; not counted
    """
    candidate, champion = rows.both
    first, second = (
        answers.automatic & ~np.isin(answers.label, sorted(lost))
        for answers, lost in zip((candidate, champion), broken, strict=True)
    )
    found = compare_shares(first, second, rows.groups)
    passed = not _is_harm(found, params.automation_budget, params.confidence)
    why = f"{share(first)} of the tickets are routed unseen, {share(second)} by the champion"
    if any(broken):
        why += "; classes with a broken certificate do not count"
    return rows.rule(
        AUTOMATION, passed, found.difference, -params.automation_budget,
        found.interval(params.confidence), why=why,
    )  # fmt: skip


def calibration(rows: Compared, params: GateParams, draws: int, seed: int) -> Rule:
    """Whether confidences say less than they should, and less than the champion's, beyond chance.

    Without a champion chance is what as sure a bundle shows whose confidences are right: Bröcker
    and Smith, "Increasing the reliability of reliability diagrams", Weather and Forecasting 2007.
    The interval is then that of such a bundle, else that of the difference of the two errors.
    """
    allowed, tail = params.calibration, 100 * (1 - params.confidence)
    correct, confidence = rows.candidate.label == rows.truth, rows.candidate.confidence
    error = expected_calibration_error(correct, confidence)
    if rows.champion is None:
        errors = _errors_if_calibrated(confidence, rows.groups, draws, seed)
        low, high = (float(bound) for bound in np.percentile(errors, [tail, 100 - tail]))
        why = f"off by {error:.4f} in the mean; right ones would show up to {high:.4f} on such rows"
        passed = error <= max(allowed.error, high)
        return rows.rule(CALIBRATION, passed, error, allowed.error, (low, high), why=why)
    counts = draw_counts(rows.groups.astype(str).tolist(), draws, seed)
    other = expected_calibration_error(rows.champion.label == rows.truth, rows.champion.confidence)
    apart = _errors(rows, rows.candidate, counts) - _errors(rows, rows.champion, counts)
    limit = max(allowed.error, other + allowed.worse)
    low, high = (float(bound) for bound in np.percentile(apart, [tail, 100 - tail]))
    passed = error <= limit or low <= 0
    why = f"confidences are off by {error:.4f} in the mean, the champion's by {other:.4f}"
    return rows.rule(CALIBRATION, passed, error, limit, (low, high), why=why)


def new_labels(rows: Compared, new: Sequence[str]) -> Rule:
    """What is gained on labels the champion does not know, and what they take from old ones."""
    candidate, champion = rows.both
    own = np.isin(rows.truth, new)
    found = candidate.label == rows.truth
    wrong = int(np.sum(champion.automatic & own))
    taken = int(np.sum(~own & np.isin(candidate.label, new) & (champion.label == rows.truth)))
    why = (
        f"{', '.join(new)}: {int(np.sum(found & own))} of {int(own.sum())} found, of which the "
        f"champion routed {wrong} to a wrong place unseen; of {int(np.sum(~own))} rows with known "
        f"labels {taken} that the champion gets right are now answered with a new one"
    )
    value = float(found[own].mean()) if own.any() else None
    return rows.rule(NEW_LABELS, None, value, None, None, why=why)


def _is_harm(found: Paired, budget: float, confidence: float) -> bool:
    return found.difference < -budget and found.worse <= 1 - confidence


def _power(found: Paired, params: GateParams) -> str:
    """How likely an equally good candidate passes on such rows, and how many it takes."""
    error = found.error()
    z = float(norm.ppf(params.confidence))
    wanted = z * z / params.margin
    if error > 0:
        chance = float(norm.cdf(params.margin / error - z))
        spread = error * found.n**0.5
        wanted = max(wanted, ((z + float(norm.ppf(POWER))) * spread / params.margin) ** 2)
        told = f"an equally good one would pass with probability {chance:.2f} on these rows, "
    else:
        told = "too few rows to show it; an equally good one would pass "
    return f"{told}with {POWER:g} on about {round(wanted, -2) if wanted > 1000 else wanted:.0f}"


def _errors(rows: Compared, answers: Answers, counts: Counts) -> Floats:
    """The calibration error in each bootstrap draw."""
    gaps = (answers.label == rows.truth) - answers.confidence
    return np.asarray(_binned(counts * gaps, answers.confidence) / counts.sum(axis=1))


def _errors_if_calibrated(confidence: Floats, groups: Integers, draws: int, seed: int) -> Floats:
    """Errors of answers that are right as often as they say, near-duplicates together."""
    _, member_of = np.unique(groups, return_inverse=True)
    luck = np.random.default_rng(seed).random((draws, int(member_of.max()) + 1))[:, member_of]
    return _binned((luck < confidence) - confidence, confidence) / len(confidence)


def _binned(gaps: Floats, confidence: Floats) -> Floats:
    """Sum over the bins of the absolute sums of gaps, one of shape (n,) per draw."""
    bins = np.zeros((len(confidence), BINS))
    bins[np.arange(len(confidence)), calibration_bins(confidence)] = 1
    return np.asarray(np.abs(gaps @ bins).sum(axis=1), dtype=np.float64)
