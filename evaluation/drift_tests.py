"""Tests of two windows column by column, each with an effect that does not grow with the window."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp

from evaluation.drift_report import Check, Side

LEAST_EXPECTED = 5.0
"""Tickets expected in a cell of the chi-square test; rarer values count together (Cochran 1954)."""

DIGITS = 4
"""After the point, of numbers that are compared."""

TOLD = 3
"""Values of a column whose shares are kept, those that moved most."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """A check before the others are known: its effect, its limit and its p-value alone."""

    name: str
    side: Side
    effect_name: str
    effect: float
    limit: float
    p_value: float
    facts: dict[str, float] = field(default_factory=dict)


def conclude(findings: Sequence[Finding], level: float) -> tuple[Check, ...]:
    """Checks with p-values adjusted for how many there are.

    Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 1995. Where nothing has
    moved, the probability of any flag is at most `level`, as for independent or positively
    dependent checks (Benjamini and Yekutieli 2001); what has to pass an effect as well only lowers
    it.
    """
    if not findings:
        return ()
    adjusted = false_discovery_control([found.p_value for found in findings], method="bh")
    return tuple(
        Check(
            name=found.name,
            side=found.side,
            effect_name=found.effect_name,
            effect=found.effect,
            limit=found.limit,
            p_value=found.p_value,
            adjusted=float(p),
            drifted=bool(found.effect >= found.limit and p <= level),
            facts=found.facts,
        )
        for found, p in zip(findings, adjusted, strict=True)
    )


def compare_shares(
    name: str, side: Side, reference: Sequence[str], current: Sequence[str], limit: float
) -> Finding:
    """Whether values come in other shares: chi-square test, Cohen's w, PSI beside it."""
    names = sorted({*reference, *current})
    then, now = Counter(reference), Counter(current)
    table = np.array([[then[n] for n in names], [now[n] for n in names]], dtype=np.float64)
    p, q = table / table.sum(axis=1, keepdims=True)
    return Finding(
        name=name,
        side=side,
        effect_name="w",
        effect=cohens_w(p, q),
        limit=limit,
        p_value=_chi_square(table),
        facts={
            "psi": stability_index(table),
            "moved": float(np.abs(p - q).sum() / 2),
            **_most_moved(names, p, q),
        },
    )


def compare_numbers(
    name: str, side: Side, reference: Floats, current: Floats, limit: float
) -> Finding:
    """Whether numbers are distributed otherwise: the test of Kolmogorov and Smirnov, its D.

    Equal numbers make the p-value too large, never too small. What lies beyond `DIGITS` digits
    is no difference: one window may have been kept in half the precision of the other.
    """
    found = ks_2samp(reference.round(DIGITS), current.round(DIGITS), method="asymp")
    return Finding(
        name=name,
        side=side,
        effect_name="D",
        effect=float(found.statistic),
        limit=limit,
        p_value=min(1.0, max(0.0, float(found.pvalue))),
        facts={
            "reference": float(np.mean(reference)),
            "current": float(np.mean(current)),
            "reference_median": float(np.median(reference)),
            "current_median": float(np.median(current)),
        },
    )


def cohens_w(p: Floats, q: Floats) -> float:
    """Effect size w of two distributions as if both windows were equally large; in [0, 1].

    Cohen, "Statistical power analysis for the behavioral sciences", 2nd ed. 1988, chapter 7: 0.1 is
    small, 0.3 medium. Of a table with two equal rows, so that no share may be 0 in one of them and
    blow it up as with shares of the reference below the line.
    """
    both = p + q
    squares = np.divide((p - q) ** 2, both, out=np.zeros_like(both), where=both > 0)
    return float(np.sqrt(squares.sum() / 2))


def stability_index(table: Floats) -> float:
    """Population stability index of counts (2, k), half a ticket added to every cell.

    Siddiqi, "Credit risk scorecards", 2006; the symmetric Kullback-Leibler divergence.
    """
    p, q = (table + 0.5) / (table + 0.5).sum(axis=1, keepdims=True)
    return float(((q - p) * np.log(q / p)).sum())


def _most_moved(names: Sequence[str], p: Floats, q: Floats) -> dict[str, float]:
    """Shares as `reference:NAME` and `current:NAME`, of the values that moved most."""
    most = np.argsort(-np.abs(q - p), kind="stable")[:TOLD]
    shares = {f"reference:{names[i]}": float(p[i]) for i in most}
    return shares | {f"current:{names[i]}": float(q[i]) for i in most}


def _chi_square(table: Floats) -> float:
    expected = table.sum(axis=0) * (table.sum(axis=1) / table.sum()).min()
    rare = expected < LEAST_EXPECTED
    kept = table[:, ~rare]
    if rare.any():
        kept = np.column_stack([kept, table[:, rare].sum(axis=1)])
    kept = kept[:, kept.sum(axis=0) > 0]
    if kept.shape[1] < 2:
        return 1.0
    return float(chi2_contingency(kept, correction=kept.shape[1] == 2).pvalue)
