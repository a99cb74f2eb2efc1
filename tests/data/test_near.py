"""Near-duplicates are found exactly as the definition says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.duplicates import shingle_sets
from data.near import find_near, group_near

WORDS = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=12).map(" ".join)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    both = len(set(one.tolist()) & set(other.tolist()))
    return both / len(set(one.tolist()) | set(other.tolist()))


@given(st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=8), st.sampled_from([0.3, 0.6, 1.0]))
def test_it_is_the_pairs_whose_jaccard_index_is_high_enough(known, new, threshold):
    old, fresh = shingle_sets(known, 2), shingle_sets(new, 2)
    expected = [
        [k for k, one in enumerate(old) if overlap(one, other) >= threshold] for other in fresh
    ]
    assert find_near(old, fresh, threshold) == expected


def test_case_and_punctuation_make_no_difference():
    texts = ["The printer is on fire!", "the PRINTER is on fire"]
    assert find_near(shingle_sets(texts[:1], 5), shingle_sets(texts[1:], 5), 0.9) == [[0]]


def test_sets_of_near_duplicates_are_joined():
    texts = ["a b c d e", "x y z u v", "a b c d e", "y x"]
    assert group_near(shingle_sets(texts, 2), 0.9).roots().tolist() == [0, 1, 0, 3]
