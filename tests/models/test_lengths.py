"""Batches by length: nothing is lost, nothing is too large, little is padding."""

from hypothesis import given
from hypothesis import strategies as st

from models.lengths import MOST_PADDING, batches_within


@given(lengths=st.lists(st.integers(1, 128), max_size=80), most=st.integers(1, 600))
def test_every_text_is_in_one_batch_and_no_batch_is_too_large(lengths, most) -> None:
    batches = batches_within(lengths, most)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        found = [lengths[row] for row in batch]
        padded = max(found) * len(found)
        assert len(found) == 1 or padded <= most
        assert padded - sum(found) <= MOST_PADDING * padded


def test_texts_of_one_length_share_a_batch() -> None:
    assert [len(batch) for batch in batches_within([10] * 25, 100)] == [10, 10, 5]


def test_no_text_no_batch() -> None:
    assert batches_within([], 100) == []
