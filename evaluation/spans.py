"""How many entities were found exactly: precision, recall and F1, whole and per kind."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import draw_counts, percentile_interval
from evaluation.metrics import Floats

MICRO = "micro"
"""All kinds together, every span of the same weight."""

LabelledSpan = tuple[int, int, str]
"""Start, end, kind; positions in characters or in words, the same on both sides."""


@dataclass(frozen=True, slots=True)
class SpanScores:
    """Scores of one kind, or of all; None where there is nothing to divide by.

    Parameters
    ----------
    matched, found, expected : spans right, spans proposed, spans annotated
    precision, recall, f1 : matched/found, matched/expected and their harmonic mean
    precision_ci, recall_ci, f1_ci : 95 % bootstrap intervals [low, high]
    """

    matched: int
    found: int
    expected: int
    precision: float | None
    recall: float | None
    f1: float | None
    precision_ci: list[float] | None = None
    recall_ci: list[float] | None = None
    f1_ci: list[float] | None = None


def score_spans(
    expected: Sequence[Collection[LabelledSpan]],
    found: Sequence[Collection[LabelledSpan]],
    *,
    groups: Sequence[str] | None = None,
    draws: int = 1_000,
    seed: int = 0,
) -> dict[str, SpanScores]:
    """Scores by kind, `MICRO` first: a span counts if start, end and kind are right.

    The measure of the CoNLL-2003 shared task (Tjong Kim Sang and De Meulder, 2003). A span given
    twice in one text counts once.

    Parameters
    ----------
    expected, found : for each text, the annotated and the proposed spans
    groups : texts of one group are drawn together in the bootstrap; default: each its own
    draws : resamples of the texts; 0 leaves the intervals out

    Raises
    ------
    ValueError
        If the two are not of the same length.
    """
    if len(expected) != len(found):
        raise ValueError(f"{len(expected)} texts annotated, {len(found)} searched")
    right = [set(spans) for spans in expected]
    ours = [set(spans) for spans in found]
    kinds = sorted({kind for spans in (*right, *ours) for *_, kind in spans})
    tables = {MICRO: _table(right, ours, None)}
    tables |= {kind: _table(right, ours, kind) for kind in kinds}
    counts = None
    if draws and right:
        names = groups if groups is not None else [str(n) for n in range(len(right))]
        counts = draw_counts(names, draws, seed).astype(np.int64)
    return {kind: _score(table, counts) for kind, table in tables.items()}


def _table(
    expected: list[set[LabelledSpan]], found: list[set[LabelledSpan]], kind: str | None
) -> NDArray[np.int64]:
    """Shape (n, 3): spans matched, found and expected in each text."""
    rows = []
    for right, ours in zip(expected, found, strict=True):
        right_of, ours_of = (
            {span for span in spans if kind is None or span[2] == kind} for spans in (right, ours)
        )
        rows.append((len(right_of & ours_of), len(ours_of), len(right_of)))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _score(table: NDArray[np.int64], counts: NDArray[np.int64] | None) -> SpanScores:
    total = table.sum(axis=0)
    precision, recall, f1 = (_number(values) for values in _rates(total[None]))
    draws = None if counts is None else [percentile_interval(d) for d in _rates(counts @ table)]
    precision_ci, recall_ci, f1_ci = draws or (None, None, None)
    return SpanScores(
        matched=int(total[0]),
        found=int(total[1]),
        expected=int(total[2]),
        precision=precision,
        recall=recall,
        f1=f1,
        precision_ci=precision_ci,
        recall_ci=recall_ci,
        f1_ci=f1_ci,
    )


def _rates(totals: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of rows of (matched, found, expected); nan where undefined."""
    matched, found, expected = totals.T.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return matched / found, matched / expected, 2 * matched / (found + expected)


def _number(values: Floats) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])
