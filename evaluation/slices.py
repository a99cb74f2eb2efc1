"""The same figures on parts of the test split: where the mean hides something."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evaluation.intervals import Counts, with_intervals
from evaluation.metrics import Booleans, Outcomes, measure, measure_once

SMALL = 100
"""Tickets below which a slice is flagged: its intervals are wider than about ±6 points."""

LENGTHS = (10, 30, 100, 300)
"""Upper ends of the length buckets, in words; the last one is open."""


def length_bucket(text: str) -> str:
    """Name of the length bucket of a text, in words."""
    words = len(text.split())
    low = 1
    for high in LENGTHS:
        if words <= high:
            return f"{low} to {high} words"
        low = high + 1
    return f"more than {LENGTHS[-1]} words"


def length_buckets() -> list[str]:
    """Names of the length buckets, shortest first."""
    lows = [1, *(high + 1 for high in LENGTHS[:-1])]
    named = [f"{low} to {high} words" for low, high in zip(lows, LENGTHS, strict=True)]
    return [*named, f"more than {LENGTHS[-1]} words"]


def find_slices(
    labels: Sequence[str],
    texts: Sequence[str],
    languages: Sequence[str | None],
    near_train: Booleans,
) -> Iterator[tuple[str, str, Booleans]]:
    """Kind, name and rows of every slice that holds a ticket."""
    given = np.asarray(labels, dtype=object)
    for label in sorted(set(labels)):
        yield "class", label, given == label
    buckets = np.asarray([length_bucket(text) for text in texts], dtype=object)
    for bucket in length_buckets():
        if np.any(buckets == bucket):
            yield "length", bucket, buckets == bucket
    spoken = np.asarray([language or "unknown" for language in languages], dtype=object)
    for language in sorted(set(spoken.tolist())):
        yield "language", language, spoken == language
    if near_train.any():
        yield "near-duplicate", "of a ticket outside the test split", near_train
        yield "near-duplicate", "the rest", ~near_train


def measure_slices(
    outcomes: Outcomes, slices: Iterator[tuple[str, str, Booleans]], counts: Counts
) -> list[dict[str, Any]]:
    """Every figure with its interval for every slice, and `small` where there are few tickets."""
    measured = []
    for kind, name, rows in slices:
        part = outcomes.take(rows)
        figures = with_intervals(measure_once(part), measure(part, counts[:, rows]))
        n = len(part)
        measured.append({"kind": kind, "name": name, "n": n, "small": n < SMALL, **figures})
    return measured
