import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.duplicates import Groups, copy_keys, join_near_duplicates

WORDS = [f"word{n}" for n in range(400)]
SETTINGS = {"threshold": 0.8, "permutations": 64, "shingle": 3, "seed": 1}


def text(start: int, length: int = 60, change: int | None = None) -> str:
    words = WORDS[start : start + length]
    if change is not None:
        words[change] = "changed"
    return " ".join(words)


def grouped(texts, **more):
    groups = Groups(len(texts))
    joined = join_near_duplicates(groups, texts, **(SETTINGS | more))
    return groups.roots().tolist(), joined


def test_copies_differ_in_case_blanks_and_punctuation_only():
    keys = copy_keys(["The VPN is down!", "the vpn  is down", "the vpn was down", "!!", "??"])
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_near_duplicates_are_joined_and_others_are_not():
    texts = [
        text(0),
        text(100),
        text(0, change=59),
        text(200),
        text(0).upper(),
        text(100, change=0),
    ]
    assert grouped(texts) == ([0, 1, 0, 3, 0, 1], 2)


def test_a_pair_below_the_threshold_is_not_joined_even_if_hashing_proposes_it():
    # 10 of 58 shingles are other ones on each side: Jaccard 48 / 68 = 0.71.
    other = " ".join([*WORDS[:50], *WORDS[300:310]])
    assert grouped([text(0), other], threshold=0.72) == ([0, 1], 0)
    assert grouped([text(0), other], threshold=0.7)[0] == [0, 0]


def test_texts_shorter_than_a_shingle_and_texts_without_words_are_compared_whole():
    assert grouped(["two words", "two words", "two others", "!!!", "!!!", "..."])[0] == [
        0,
        0,
        2,
        3,
        3,
        5,
    ]


def test_no_texts_make_no_groups():
    assert grouped([]) == ([], 0)


@pytest.mark.parametrize("seed", range(3))
def test_nearly_every_pair_above_the_threshold_is_found(seed):
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(60):
        words = [WORDS[k] for k in rng.integers(0, len(WORDS), 60)]
        texts += [" ".join(words), " ".join([*words[:-1], "end"])]
    roots, joined = grouped(texts)
    assert joined >= 57
    assert all(root in (k, k - 1) for k, root in enumerate(roots))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_groups_are_those_of_connected_positions(pairs):
    groups = Groups(20)
    component = list(range(20))
    for one, other in pairs:
        groups.join(one, other)
        keep, drop = sorted((component[one], component[other]))
        component = [keep if c == drop else c for c in component]
    assert groups.roots().tolist() == component


def test_equal_keys_join_and_none_joins_nothing():
    groups = Groups(5)
    groups.join_equal(["a", None, "a", None, "b"])
    assert groups.roots().tolist() == [0, 1, 0, 3, 4]
