"""Which tickets share a call: pure functions, no service."""

from hypothesis import given
from hypothesis import strategies as st

from data.schema import MAX_TEXT, Ticket
from serving.grouping import MOST_TOKENS, CallLimits, cut, estimate_tokens


def test_a_call_is_limited_by_tickets_and_by_padded_tokens() -> None:
    limits = CallLimits(tickets=4, tokens=100)
    assert limits.allow(4, 25)
    assert not limits.allow(5, 1)
    assert not limits.allow(4, 26)
    assert limits.allow(1, 1_000), "a ticket longer than all the limit is answered too, alone"


def test_tokens_are_counted_by_characters_of_subject_and_text() -> None:
    assert estimate_tokens(Ticket(text="abcd")) == 3
    assert estimate_tokens(Ticket(text="abcde")) == 4
    assert estimate_tokens(Ticket(subject="abcd", text="abcd")) == 4
    assert estimate_tokens(Ticket(text="x" * MAX_TEXT)) == MOST_TOKENS


@given(
    st.lists(st.integers(min_value=3, max_value=MOST_TOKENS), max_size=60),
    st.integers(min_value=1, max_value=8),
    st.integers(min_value=1, max_value=2_000),
)
def test_every_ticket_is_in_one_call_and_every_call_keeps_the_limits(
    lengths: list[int], tickets: int, tokens: int
) -> None:
    calls = cut(lengths, CallLimits(tickets, tokens))
    assert sorted(row for call in calls for row in call) == list(range(len(lengths)))
    for call in calls:
        assert len(call) <= tickets
        assert len(call) == 1 or len(call) * max(lengths[row] for row in call) <= tokens


def test_tickets_of_like_length_stand_together() -> None:
    assert cut([500, 10, 480, 12], CallLimits(tickets=2, tokens=4_096)) == [[1, 3], [2, 0]]
