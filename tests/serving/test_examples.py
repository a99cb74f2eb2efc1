"""The documentation shows tickets and answers that the service itself would take and give."""

import pytest
from pydantic import JsonValue

from data.schema import Prediction, Record, Ticket
from serving.contract import Similar
from serving.examples import (
    DECISION,
    EXAMPLES,
    OTHER_PREDICTION,
    OTHER_TICKET,
    PREDICTION,
    SIMILAR,
    TICKET,
    example,
    examples,
)


@pytest.mark.parametrize(
    ("record", "sample"),
    [
        (Ticket, TICKET),
        (Ticket, OTHER_TICKET),
        (Prediction, PREDICTION),
        (Prediction, DECISION),
        (Prediction, OTHER_PREDICTION),
        (Similar, SIMILAR),
        *EXAMPLES.items(),
    ],
)
def test_an_example_is_a_record_of_its_kind(
    record: type[Record], sample: dict[str, JsonValue]
) -> None:
    read = record.model_validate(sample)
    assert read.model_dump(mode="json", include=set(sample)).keys() == sample.keys()


def test_neighbours_support_what_the_example_says() -> None:
    read = Similar.model_validate(SIMILAR)
    assert Similar.of(read.bundle, read.neighbours) == read


def test_one_example_stands_alone_and_several_by_their_names() -> None:
    assert example(TICKET) == {
        "description": "OK",
        "content": {"application/json": {"example": TICKET}},
    }
    assert examples("both", one=1, two=2) == {
        "description": "both",
        "content": {"application/json": {"examples": {"one": {"value": 1}, "two": {"value": 2}}}},
    }
