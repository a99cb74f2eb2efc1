import json
import logging
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from serving.problems import (
    KINDS,
    MAX_ERRORS,
    MEDIA_TYPE,
    DeadlineError,
    ForeignErrors,
    LastResort,
    NotReadyError,
    OverloadedError,
    ServingError,
    anonymous_traceback,
    invalid_fields,
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


def test_a_traceback_names_lines_and_types_and_no_message() -> None:
    def fail() -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(SECRET) from error

    with pytest.raises(ValueError, match=SECRET) as caught:
        fail()
    text = anonymous_traceback(caught.value)
    assert SECRET not in text
    assert "builtins.ValueError" in text
    assert "builtins.KeyError" in text
    assert "test_problems.py" in text


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(SECRET)


async def broken_midway(scope: Scope, receive: Receive, send: Send) -> None:
    start: Message = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    raise RuntimeError(SECRET)


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(SECRET, int(scope["path"][1:]))(scope, receive, send)


def test_an_unexpected_error_is_a_500_whose_id_stands_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = TestClient(LastResort(broken)).get("/")
    problem = response.json()
    assert response.status_code == problem["status"] == 500
    assert response.headers["content-type"] == MEDIA_TYPE
    assert problem["instance"] in caplog.text
    assert SECRET not in caplog.text + response.text


def test_an_error_after_the_response_began_ends_it_without_its_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(RuntimeError, match="cut short") as caught:
        TestClient(LastResort(broken_midway)).get("/")
    assert caught.value.__suppress_context__
    assert SECRET not in caplog.text


@pytest.fixture
def foreign() -> TestClient:
    return TestClient(ForeignErrors(plain, lambda: "no bundle is loaded"))


@pytest.mark.parametrize("status", [404, 405, 429, 500, 504])
def test_an_error_of_another_layer_is_retold(foreign: TestClient, status: int) -> None:
    response = foreign.get(f"/{status}")
    assert response.status_code == status
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.json()["type"] == kind_of_status(status).type
    assert SECRET not in response.text


def test_a_probe_that_is_not_ready_says_why(foreign: TestClient) -> None:
    response = foreign.get("/503")
    assert response.json()["detail"] == "no bundle is loaded"
    assert response.headers["retry-after"] == "5"


def test_a_503_of_another_layer_while_ready_has_no_reason() -> None:
    response = TestClient(ForeignErrors(plain, lambda: None)).get("/503")
    assert response.json()["type"] == "urn:ticket-assistant:problem:unavailable"


def test_an_answer_that_is_no_error_passes(foreign: TestClient) -> None:
    assert foreign.get("/200").text == SECRET


def test_the_list_of_errors_is_bounded_and_counted(client: TestClient) -> None:
    tickets = [{} for _ in range(2 * MAX_ERRORS)]
    problem = client.post("/v1/predict/batch", json={"tickets": tickets}).json()
    assert len(problem["errors"]) == MAX_ERRORS
    assert problem["error_count"] == 2 * MAX_ERRORS


def test_import_configures_no_logging() -> None:
    assert not logging.getLogger("serving").handlers
