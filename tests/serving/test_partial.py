"""Each ticket of a batch is answered or refused for itself, where that is asked for."""

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Annotated

import jsonschema
import pytest
from fastapi import Body, FastAPI, Query
from fastapi.exceptions import RequestValidationError
from starlette.testclient import TestClient

from data.schema import Prediction, Ticket
from serving import problems
from serving.contract import BatchPrediction
from serving.each import Answered, answer_each, read_line, read_ticket
from serving.partial import PARTIAL_BATCH, PartialBatch, PostedBatch, answer_partially
from serving.problems import NotReadyError, Problem
from serving.settings import Settings
from tests.serving.fakes import RuleAssistant

SECRET = "hunter2"
SETTINGS = Settings.model_validate({"max_tickets": 4, "max_text": 1_000})


@pytest.fixture
def client(rule: RuleAssistant) -> Iterator[TestClient]:
    """The batch route as the app is to have it."""
    app = FastAPI()

    async def answer(tickets: tuple[Ticket, ...]) -> Sequence[Prediction]:
        return rule.predict(tickets)

    @app.post("/v1/predict/batch")
    async def predict_batch(
        batch: Annotated[PostedBatch, Body()],
        partial: Annotated[bool, Query()] = False,
    ) -> BatchPrediction | PartialBatch:
        if partial:
            return await answer_partially(batch, SETTINGS, answer)
        return BatchPrediction(predictions=tuple(await answer(batch.whole(SETTINGS))))

    problems.install(app)
    with TestClient(app) as client:
        yield client


def ask(client: TestClient, tickets: object, partial: str = "?partial=true") -> list[Answered]:
    response = client.post(f"/v1/predict/batch{partial}", json={"tickets": tickets})
    assert response.status_code == 200, response.text
    assert SECRET not in response.text
    batch = PartialBatch.model_validate(response.json())
    assert batch.errors == sum(answer.problem is not None for answer in batch.answers)
    assert [answer.index for answer in batch.answers] == list(range(len(batch.answers)))
    return list(batch.answers)


def pointers(answer: Answered) -> list[tuple[str, str]]:
    assert answer.problem is not None
    return [(field.pointer, field.type) for field in answer.problem.errors or ()]


def test_valid_tickets_are_answered_beside_bad_ones_in_order(
    client: TestClient, rule: RuleAssistant
) -> None:
    first, second, third, fourth = ask(
        client,
        [{"id": "a", "text": "printer"}, {"text": SECRET * 200}, {SECRET: 1}, {"text": "wifi"}],
    )
    assert first.prediction is not None
    assert first.prediction.ticket_id == "a"
    assert pointers(second) == [("#/tickets/1/text", "string_too_long")]
    assert pointers(third) == [("#/tickets/2/text", "missing"), ("#/tickets/2", "extra_forbidden")]
    assert third.problem is not None
    assert third.problem.type == "urn:ticket-assistant:problem:validation"
    assert third.problem.error_count == 2
    assert fourth.prediction is not None
    assert fourth.prediction.targets["category"].label == "network"
    assert rule.calls == [2]


def test_a_batch_of_bad_tickets_asks_nobody(client: TestClient, rule: RuleAssistant) -> None:
    assert all(answer.problem for answer in ask(client, [1, None, "text", [SECRET]]))
    assert rule.calls == []


@pytest.mark.parametrize("partial", ["", "?partial=false"])
def test_by_default_one_bad_ticket_refuses_all(
    client: TestClient, rule: RuleAssistant, partial: str
) -> None:
    address = f"/v1/predict/batch{partial}"
    good = client.post(address, json={"tickets": [{"text": "printer"}]})
    assert list(good.json()) == ["predictions"]
    bad = client.post(address, json={"tickets": [{"text": "printer"}, {"text": ""}]})
    assert bad.status_code == 422
    assert bad.json()["errors"][0]["pointer"] == "#/tickets/1/text"
    assert rule.calls == [1]


@pytest.mark.parametrize(
    ("body", "pointer", "rule_name"),
    [
        ({"tickets": []}, "#/tickets", "too_short"),
        ({"tickets": [{"text": "a"}] * 5}, "#/tickets", "too_long"),
        ({"tickets": [1] * 5}, "#/tickets", "too_long"),
        ({"tickets": "many"}, "#/tickets", "tuple_type"),
        ({"tickets": [{"text": ""}], "x": 1}, "#", "extra_forbidden"),
        ({}, "#/tickets", "missing"),
        ([], "#", "model_attributes_type"),
    ],
)
def test_what_is_wrong_with_the_batch_itself_refuses_it(
    client: TestClient, body: object, pointer: str, rule_name: str
) -> None:
    response = client.post("/v1/predict/batch?partial=true", json=body)
    assert response.status_code == 422
    errors = response.json()["errors"]
    assert [(error["pointer"], error["type"]) for error in errors] == [(pointer, rule_name)]


def test_a_body_that_is_not_json_is_told_as_such(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    address = "/v1/predict/batch?partial=true"
    assert client.post(address, content="{", headers=headers).status_code == 400


def test_a_ticket_that_breaks_the_model_is_the_only_one_without_an_answer(
    client: TestClient, rule: RuleAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    rule.fails_on = SECRET
    with caplog.at_level(logging.ERROR):
        answers = ask(client, [{"text": "printer"}, {"text": SECRET}, {"text": "wifi"}])
    assert [answer.prediction is not None for answer in answers] == [True, False, True]
    problem = answers[1].problem
    assert problem is not None
    assert problem.type == "urn:ticket-assistant:problem:internal"
    assert problem.instance is not None
    assert problem.instance in caplog.text
    assert SECRET not in caplog.text


def test_what_concerns_all_tickets_refuses_all(client: TestClient, rule: RuleAssistant) -> None:
    rule.fails_on, rule.failure = "wifi", NotReadyError
    tickets = [{"text": "printer"}, {"text": "wifi"}]
    response = client.post("/v1/predict/batch?partial=true", json={"tickets": tickets})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"


def test_an_arm_that_there_is_not_refuses_all() -> None:
    async def answer(_: tuple[Ticket, ...]) -> Sequence[Prediction]:
        raise RequestValidationError([{"type": "unknown_arm", "loc": ("header",), "msg": ""}])

    with pytest.raises(RequestValidationError):
        asyncio.run(answer_each([Ticket(text="a"), Ticket(text="b")], answer))


def test_the_document_says_batch_and_both_answers(client: TestClient) -> None:
    spec = client.get("/openapi.json").json()
    operation = spec["paths"]["/v1/predict/batch"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"] == "#/components/schemas/Batch"
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert {one["$ref"].rpartition("/")[2] for one in answer["anyOf"]} == {
        "BatchPrediction",
        "PartialBatch",
    }
    schema = {**spec["components"]["schemas"]["PartialBatch"], "components": spec["components"]}
    jsonschema.Draft202012Validator(schema).validate(PARTIAL_BATCH)


@pytest.mark.parametrize("line", [b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_a_line_that_is_not_json_is_a_problem_at_its_place(line: bytes) -> None:
    problem = read_line(line, 7, SETTINGS)
    assert isinstance(problem, Problem)
    assert problem.type == "urn:ticket-assistant:problem:malformed"
    assert problem.errors is not None
    assert problem.errors[0].pointer == "#/tickets/7"


def test_a_blank_line_is_one_whose_ticket_was_erased() -> None:
    problem = read_line(b"   \n", 7, SETTINGS)
    assert isinstance(problem, Problem)
    assert (problem.type, problem.status) == ("urn:ticket-assistant:problem:erased", 410)


def test_a_line_is_read_as_a_body_is() -> None:
    value = {"text": "a", "created_at": "2026-11-23T08:00:00Z"}
    assert read_line(json.dumps(value).encode(), 0, SETTINGS) == read_ticket(value, 0, SETTINGS)
    assert isinstance(read_ticket(value, 0, SETTINGS), Ticket)
    assert isinstance(read_line(b'{"text": "\\ud800"}', 0, SETTINGS), Problem)


def test_an_answer_is_a_prediction_or_a_problem() -> None:
    with pytest.raises(ValueError, match="either a prediction or a problem"):
        Answered(index=0)
