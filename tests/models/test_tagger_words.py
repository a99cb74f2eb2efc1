"""Words of a text: where they are cut, and that nothing is lost."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tagger_words import split_words


def words(text: str) -> list[str]:
    return [text[word.start : word.end] for word in split_words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Firefox, then (maybe) C++.", ["Firefox", ",", "then", "(", "maybe", ")", "C++", "."]),
        ("call foo.bar() in std::sort!", ["call", "foo.bar()", "in", "std::sort", "!"]),
        ("it doesn't run on Java's VM", ["it", "does", "n't", "run", "on", "Java", "'s", "VM"]),
        ("a -> b ... 's", ["a", "->", "b", "...", "'s"]),
        ("(see foo())", ["(", "see", "foo()", ")"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_a_text_is_cut_where_its_words_are(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text())
def test_every_character_that_is_no_blank_lies_in_exactly_one_word(text: str) -> None:
    found = split_words(text)
    covered = [i for word in found for i in range(word.start, word.end)]
    assert covered == [i for i, character in enumerate(text) if not character.isspace()]
    assert all(word.start < word.end for word in found)


def test_a_line_or_sentence_ends_where_it_ends() -> None:
    text = "One done. Two\nthree"
    ends = {text[w.start : w.end] for w in split_words(text) if w.ends}
    assert ends == {".", "Two", "three"}


@pytest.mark.parametrize("unit", ["a", "(", ")", "a)", "(a", "'s", "n't", ".", "a."])
def test_time_is_bounded_for_the_longest_text(unit: str) -> None:
    text = (unit * 50_000)[:50_000]
    began = time.process_time()
    split_words(text)
    assert time.process_time() - began < 2
