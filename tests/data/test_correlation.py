import pytest
from pydantic import TypeAdapter

from data.correlation import (
    Correlation,
    find_correlation,
    new_correlation,
    read_request_id,
    read_traceparent,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_traceparent_names_a_trace() -> None:
    found = read_traceparent(f"00-{TRACE}-{SPAN}-01")
    assert found == (TRACE, SPAN, True)
    assert read_traceparent(f"00-{TRACE}-{SPAN}-00") == (TRACE, SPAN, False)
    assert read_traceparent(f"cc-{TRACE}-{SPAN}-01-what-comes-later") == (TRACE, SPAN, True)


@pytest.mark.parametrize(
    "header",
    [
        None, "", "swordfish", f"00-{TRACE.upper()}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}", f"00-{TRACE[:-1]}-{SPAN}-01",
    ],
)  # fmt: skip
def test_what_is_no_traceparent_is_not_taken(header: str | None) -> None:
    assert read_traceparent(header) is None


@pytest.mark.parametrize(
    "header", ["7F3E9A1C-5B2D-4E8F-9A1B-2C3D4E5F6A7B", "a" * 16, TRACE, "0123456789abcdef" * 4]
)
def test_a_request_id_of_digits_is_taken(header: str) -> None:
    assert read_request_id(header) == header.lower()


@pytest.mark.parametrize(
    "header",
    [None, "", "a" * 15, "a" * 65, "-" * 20, "my password is swordfish", "a" * 16 + "\n",
     "0123456789abcdeg", "${jndi:ldap://0123456789}"],
)  # fmt: skip
def test_words_are_no_request_id(header: str | None) -> None:
    assert read_request_id(header) is None


def test_whatever_is_taken_or_made_is_a_correlation() -> None:
    adapter = TypeAdapter(Correlation)
    for name in (new_correlation(), TRACE, read_request_id("A" * 16)):
        assert adapter.validate_python(name) == name


def test_a_process_learns_its_name_from_its_environment() -> None:
    assert find_correlation({}) is None
    assert find_correlation({"TRACEPARENT": f"00-{TRACE}-{SPAN}-01"}) == TRACE
    assert find_correlation({"TRACEPARENT": "none", "TICKETS_CORRELATION": "b" * 16}) == "b" * 16
    assert find_correlation({"TICKETS_CORRELATION": "a word"}) is None
