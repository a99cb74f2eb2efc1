"""Texts whose label is clear are learned in every other epoch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.easy_rows import EVERY, rows_of_epoch, weights_of


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 20), st.integers(0, 5))
def test_each_text_is_learned_as_much_as_any_other(
    marks: list[bool], begin: int, seed: int
) -> None:
    """Over so many epochs as an easy text waits for, counted by its weight."""
    easy = np.array(marks, dtype=bool)
    weights = weights_of(easy)
    learned = np.zeros(len(easy))
    for epoch in range(begin, begin + EVERY):
        rows = rows_of_epoch(easy, epoch, seed)
        assert sorted(set(rows.tolist())) == rows.tolist()
        assert set(np.flatnonzero(~easy)) <= set(rows)
        learned[rows] += weights[rows]
    np.testing.assert_array_equal(learned, EVERY)


def test_easy_texts_are_parted_evenly_and_at_random() -> None:
    easy = np.arange(1000) < 600
    first, second = (rows_of_epoch(easy, epoch, 1) for epoch in (0, 1))
    assert len(first) == len(second) == 700
    assert not set(first[first < 600]) & set(second[second < 600])
    assert abs(first[first < 600].mean() - 300) < 30
    np.testing.assert_array_equal(rows_of_epoch(easy, 2, 1), first)
    assert set(rows_of_epoch(easy, 0, 2)) != set(first)


def test_where_none_is_easy_all_are_learned() -> None:
    none = np.zeros(5, dtype=bool)
    np.testing.assert_array_equal(rows_of_epoch(none, 3, 1), np.arange(5))
    np.testing.assert_array_equal(weights_of(none), np.ones(5))
