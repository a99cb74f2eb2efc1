"""Changes that keep the meaning: small, applicable or None, and the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.privacy import mask
from evaluation.transformations import (
    TRANSFORMATIONS,
    add_masked_mail,
    drop_punctuation,
    reverse_sentences,
    slip_finger,
    swap_letters,
)

TEXT = "The printer is broken. Please replace it, thanks!"


def generator() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@settings(max_examples=25, deadline=None)
@given(text=st.text(max_size=60))
def test_every_change_changes_the_text_or_does_not_apply(name: str, text: str) -> None:
    changed = TRANSFORMATIONS[name](text, generator())
    assert changed is None or changed != text


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_the_same_seed_changes_the_same(name: str) -> None:
    change = TRANSFORMATIONS[name]
    assert change(TEXT, generator()) == change(TEXT, generator())


def test_swapping_keeps_every_letter() -> None:
    swapped = swap_letters(TEXT, generator())
    assert swapped is not None
    assert sorted(swapped) == sorted(TEXT)


def test_a_slipped_finger_changes_one_letter() -> None:
    slipped = slip_finger(TEXT, generator())
    assert slipped is not None
    assert sum(a != b for a, b in zip(slipped, TEXT, strict=True)) == 1


@pytest.mark.parametrize("change", [swap_letters, slip_finger])
def test_typos_need_a_long_word(change: object) -> None:
    assert change("a b c", generator()) is None  # type: ignore[operator]


def test_sentences_are_reversed_whole() -> None:
    assert reverse_sentences("One here. Two there!", generator()) == "Two there! One here."
    assert reverse_sentences("only one sentence", generator()) is None


def test_punctuation_inside_a_number_or_name_stays() -> None:
    assert drop_punctuation("Version 2.14, not 3.0!", generator()) == "Version 2.14 not 3.0"


def test_the_masked_address_is_the_placeholder_of_prepared_tickets() -> None:
    added = add_masked_mail("hello", generator())
    assert added == mask("hello\nPlease copy somebody@example.com on the answer.").text
