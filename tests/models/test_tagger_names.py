"""Where only names are looked for, what stands far from one is not read, and none is lost by it."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.tagger_features import LEAST_SEEN, Lexicon
from models.tagger_names import REACH, around_names
from models.tagger_windows import CALL_PIECES, Window, alike

KINDS = ("application",)


def _lexicon(word: str, named: int, other: int) -> Lexicon:
    words = [[word]] * (named + other)
    kinds = [["application"]] * named + [[""]] * other
    return Lexicon(KINDS).fit(words, kinds, map(str, range(named + other)))


def test_a_word_without_a_capital_names_nothing() -> None:
    assert not _lexicon("outlook", 5, 0).may_name("outlook", KINDS)
    assert _lexicon("outlook", 5, 0).may_name("outLook", KINDS)


def test_an_unknown_word_with_a_capital_may_be_a_name() -> None:
    assert Lexicon(KINDS).may_name("Zarniwoop", KINDS)


def test_a_word_known_as_no_name_is_none_however_it_is_written() -> None:
    lexicon = _lexicon("please", 0, LEAST_SEEN)
    assert not lexicon.may_name("Please", KINDS)
    assert not lexicon.may_name("PLEASE", KINDS)


def test_a_word_seen_too_seldom_is_not_known() -> None:
    assert _lexicon("please", 0, LEAST_SEEN - 1).may_name("Please", KINDS)


def test_a_word_that_was_a_name_often_enough_stays_one() -> None:
    assert _lexicon("word", 3, 97).may_name("Word", KINDS)
    assert not _lexicon("word", 1, 99).may_name("Word", KINDS)


def test_only_the_kinds_asked_for_count() -> None:
    lexicon = Lexicon(("application", "library")).fit(
        [["react"]] * 5, [["library"]] * 5, map(str, range(5))
    )
    assert not lexicon.may_name("React", KINDS)
    assert lexicon.may_name("React", ("application", "library"))


def test_a_new_count_forgets_what_was_told_before() -> None:
    lexicon = Lexicon(KINDS)
    assert lexicon.may_name("Please", KINDS)
    lexicon.remember({"~please": np.array([0, 50], dtype=np.float32)})
    assert not lexicon.may_name("Please", KINDS)


@given(
    names=st.lists(st.booleans(), max_size=120),
    ends=st.lists(st.booleans(), min_size=120, max_size=120),
)
def test_words_are_read_that_are_near_a_name_in_its_sentence(
    names: list[bool], ends: list[bool]
) -> None:
    words = ["N" if name else "w" for name in names]
    sentence = np.concatenate([[0], np.cumsum(ends)])
    expected = [
        row
        for row in range(len(words))
        if any(
            names[other] and sentence[other] == sentence[row]
            for other in range(max(0, row - REACH), min(len(words), row + REACH + 1))
        )
    ]
    assert around_names(words, ends, str.isupper) == expected


@given(sizes=st.lists(st.integers(1, 126), max_size=60))
def test_windows_share_a_call_while_padding_costs_less_than_another(sizes: list[int]) -> None:
    windows = [Window(0, 0, ["w"], [[0] * size]) for size in sizes]
    batches = alike(windows, 1024)
    assert sorted(row for rows in batches for row in rows) == list(range(len(sizes)))
    for rows in batches:
        lengths = [windows[row].length for row in rows]
        assert lengths == sorted(lengths)
        assert lengths[-1] * len(rows) <= 1024
        assert all(
            count * (after - before) <= CALL_PIECES
            for count, (before, after) in enumerate(pairwise(lengths), 1)
        )
