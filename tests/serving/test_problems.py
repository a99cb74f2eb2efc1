import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator
from starlette.testclient import TestClient

from serving.faults import MAX_ERRORS, invalid_fields
from serving.problems import (
    KINDS,
    DeadlineError,
    NotReadyError,
    OverloadedError,
    ServingError,
    kind_of_status,
)

SECRET = "hunter2"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int
    word: str

    @field_validator("word")
    @classmethod
    def refuse(cls, word: str) -> str:
        raise ValueError(f"{word} is not welcome")


def errors_of(value: Any) -> list[Any]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[Inner]).validate_python(value)
    return [{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors()]


def test_an_error_names_place_and_rule_and_no_value() -> None:
    errors = errors_of([{"number": SECRET, "word": SECRET, SECRET: SECRET}])
    fields = invalid_fields(errors)
    assert SECRET not in json.dumps([field.model_dump() for field in fields])
    assert [(field.pointer, field.type) for field in fields] == [
        ("#/0/number", "int_parsing"),
        ("#/0/word", "value_error"),
        ("#/0", "extra_forbidden"),
    ]


def test_many_unknown_fields_of_one_object_are_one_error() -> None:
    errors = [
        {"type": "extra_forbidden", "loc": ("body", str(i)), "msg": "Extra inputs"}
        for i in range(100)
    ]
    assert len(invalid_fields(errors)) == 1


@pytest.mark.parametrize("error", [NotReadyError, OverloadedError, DeadlineError])
def test_every_serving_error_stands_in_the_table(error: type[ServingError]) -> None:
    assert KINDS[error].status in {503, 504}


def test_no_two_problems_of_the_table_share_a_type() -> None:
    told = {(kind.type, kind.status, kind.title) for kind in KINDS.values()}
    assert len({kind_type for kind_type, _, _ in told}) == len(told)


def test_a_status_outside_the_table_still_has_a_kind() -> None:
    assert kind_of_status(418).type == "urn:ticket-assistant:problem:http-418"
    assert kind_of_status(599).title == "Error"


def test_the_list_of_errors_is_bounded_and_counted(client: TestClient) -> None:
    tickets = [{} for _ in range(2 * MAX_ERRORS)]
    problem = client.post("/v1/predict/batch", json={"tickets": tickets}).json()
    assert len(problem["errors"]) == MAX_ERRORS
    assert problem["error_count"] == 2 * MAX_ERRORS


def test_import_configures_no_logging() -> None:
    code = (
        "import logging, serving.app, serving.problems;"
        "assert not logging.getLogger('serving').handlers"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
