"""Parts of the test split, measured like the whole."""

import numpy as np
import pytest

from evaluation.intervals import draw_counts
from evaluation.metrics import Outcomes
from evaluation.slices import find_slices, length_bucket, length_buckets, measure_slices


@pytest.mark.parametrize(
    ("words", "bucket"),
    [
        (0, "1 to 10 words"),
        (10, "1 to 10 words"),
        (11, "11 to 30 words"),
        (301, "more than 300 words"),
    ],
)
def test_a_text_falls_into_the_bucket_of_its_words(words: int, bucket: str) -> None:
    assert length_bucket("word " * words) == bucket


def test_every_bucket_has_its_place_in_the_order() -> None:
    found = [length_bucket("w " * words) for words in (1, 20, 50, 200, 500)]
    assert found == length_buckets()


def test_each_kind_of_slice_shares_out_all_tickets() -> None:
    near = np.array([True, False, False, False])
    slices = list(find_slices(["a", "b", "a", "a"], ["x"] * 4, ["en", None, "de", "en"], near))
    for kind in ("class", "length", "language", "near-duplicate"):
        assert sum(rows.sum() for found, _, rows in slices if found == kind) == 4
    assert [name for kind, name, _ in slices if kind == "language"] == ["de", "en", "unknown"]


def test_without_near_duplicates_there_is_no_such_slice() -> None:
    slices = find_slices(["a"], ["x"], ["en"], np.array([False]))
    assert "near-duplicate" not in {kind for kind, _, _ in slices}


def test_a_small_slice_says_so() -> None:
    labels = np.array([0] * 150 + [1] * 5)
    outcomes = Outcomes(labels, np.tile([0.9, 0.1], (155, 1)))
    names = ["a"] * 150 + ["b"] * 5
    slices = find_slices(names, ["x"] * 155, ["en"] * 155, np.zeros(155, bool))
    counts = draw_counts([str(row) for row in range(155)], 50, seed=1)
    measured = {entry["name"]: entry for entry in measure_slices(outcomes, slices, counts)}
    assert (measured["a"]["small"], measured["a"]["accuracy"]) == (False, 1.0)
    assert (measured["b"]["small"], measured["b"]["accuracy"]) == (True, 0.0)
    assert measured["en"]["accuracy"] == pytest.approx(150 / 155)
