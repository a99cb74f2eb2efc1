import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from serving.assistants import Assistants
from serving.edge import ForeignErrors
from serving.problems import MEDIA_TYPE
from tests.serving.fakes import VERSION, MakeApp, MemoryStore, RuleAssistant

JSON = {"content-type": "application/json"}


def problem(response: Any, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"] == f"urn:ticket-assistant:problem:{name}"
    assert body["title"]
    return body


def test_one_ticket_is_answered(client: TestClient) -> None:
    response = client.post("/v1/predict", json={"id": "T-1", "text": "the printer is on fire"})
    assert response.status_code == 200
    answer = response.json()
    assert answer["ticket_id"] == "T-1"
    assert answer["bundle"] == VERSION
    assert answer["fallback"] is True
    assert answer["targets"]["category"]["label"] == "printer"
    assert answer["targets"]["category"]["decision"] == "auto"


def test_a_batch_is_answered_in_order_and_echoes_the_ids(client: TestClient) -> None:
    tickets = [{"id": str(i), "text": "printer" if i % 2 else "wifi"} for i in range(4)]
    predictions = client.post("/v1/predict/batch", json={"tickets": tickets}).json()["predictions"]
    assert [p["ticket_id"] for p in predictions] == ["0", "1", "2", "3"]
    labels = [p["targets"]["category"]["label"] for p in predictions]
    assert labels == ["network", "printer", "network", "printer"]


def test_similar_tickets_are_told_with_what_became_of_them(client: TestClient) -> None:
    response = client.post("/v1/similar", json={"ticket": {"text": "paper jam"}, "k": 3})
    assert response.status_code == 200
    answer = response.json()
    assert answer["bundle"] == VERSION
    assert [found["id"] for found in answer["neighbours"]] == ["0", "1", "2"]
    assert answer["support"] == {
        "category": [{"label": "printer", "tickets": 2}, {"label": "network", "tickets": 1}]
    }


def test_only_tickets_as_similar_as_asked_are_told(client: TestClient) -> None:
    asked = {"ticket": {"text": "paper jam"}, "k": 3, "min_similarity": 0.8}
    answer = client.post("/v1/similar", json=asked).json()
    assert [found["id"] for found in answer["neighbours"]] == ["0"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"k": 3}, "#/ticket"),
        ({"ticket": {"text": "a"}, "k": 0}, "#/k"),
        ({"ticket": {"text": "a"}, "k": 51}, "#/k"),
        ({"ticket": {"text": ""}}, "#/ticket/text"),
        ({"ticket": {"text": "a" * 1_001}}, "#/ticket/text"),
        ({"ticket": {"text": "a"}, "min_similarity": 2}, "#/min_similarity"),
    ],
)
def test_a_wrong_question_for_similar_tickets_is_named(
    client: TestClient, body: dict[str, Any], pointer: str
) -> None:
    told = problem(client.post("/v1/similar", json=body), 422, "validation")
    assert [error["pointer"] for error in told["errors"]] == [pointer]


def test_a_bundle_without_memory_says_so(client: TestClient, rule: RuleAssistant) -> None:
    rule.remembers = False
    problem(client.post("/v1/similar", json={"ticket": {"text": "a"}}), 404, "no-memory")


def test_a_ticket_that_is_not_valid_is_named_by_its_index(client: TestClient) -> None:
    tickets = [{"text": "a"}, {"text": ""}, {"subject": "no text"}, {"text": 3}]
    body = problem(client.post("/v1/predict/batch", json={"tickets": tickets}), 422, "validation")
    assert [(error["pointer"], error["type"]) for error in body["errors"]] == [
        ("#/tickets/1/text", "string_too_short"),
        ("#/tickets/2/text", "missing"),
        ("#/tickets/3/text", "string_type"),
    ]


def test_a_batch_above_the_limit_is_refused(client: TestClient) -> None:
    body = {"tickets": [{"text": "a"}] * 5}
    told = problem(client.post("/v1/predict/batch", json=body), 422, "validation")
    assert told["errors"][0]["pointer"] == "#/tickets"
    assert "at most 4" in told["errors"][0]["message"]


def test_an_empty_batch_is_refused(client: TestClient) -> None:
    problem(client.post("/v1/predict/batch", json={"tickets": []}), 422, "validation")


def test_a_text_above_the_installations_limit_is_refused_by_its_place(client: TestClient) -> None:
    long = {"text": "a" * 1_001}
    told = problem(client.post("/v1/predict", json=long), 422, "validation")
    assert told["errors"][0]["pointer"] == "#/text"
    batch = {"tickets": [{"text": "a"}, long]}
    told = problem(client.post("/v1/predict/batch", json=batch), 422, "validation")
    assert told["errors"][0]["pointer"] == "#/tickets/1/text"
    assert client.post("/v1/predict", json={"text": "a" * 1_000}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"text": "a",}',
        b"[" * 9_000,
        b'{"text": "\xff"}',
        b'{"text": ' + b"1" * 5_000 + b"}",
    ],
    ids=["cut short", "trailing comma", "deep", "no utf-8", "a number too long"],
)
def test_a_body_that_is_not_json_is_malformed(client: TestClient, body: bytes) -> None:
    problem(client.post("/v1/predict", content=body, headers=JSON), 400, "malformed")


@pytest.mark.parametrize("body", [b"[]", b"3", b"null", b'"text"', b'{"text": "\\ud800"}', b""])
def test_json_that_is_not_a_ticket_is_not_valid(client: TestClient, body: bytes) -> None:
    problem(client.post("/v1/predict", content=body, headers=JSON), 422, "validation")


@pytest.mark.parametrize("claimed", ["text/plain", "application/xml", "multipart/form-data", ""])
def test_another_media_type_is_refused(client: TestClient, claimed: str) -> None:
    response = client.post(
        "/v1/predict", content=b'{"text": "a"}', headers={"content-type": claimed}
    )
    problem(response, 415, "media-type")


@pytest.mark.parametrize(
    "claimed", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/ticket+json"]
)
def test_any_way_to_say_json_is_accepted(client: TestClient, claimed: str) -> None:
    response = client.post(
        "/v1/predict", content=b'{"text": "a"}', headers={"content-type": claimed}
    )
    assert response.status_code == 200


def test_a_body_above_the_limit_is_too_large_before_it_is_read(client: TestClient) -> None:
    told = problem(
        client.post("/v1/predict", content=b"x" * 20_001, headers=JSON), 413, "too-large"
    )
    assert told["detail"] == "at most 20000 bytes are read"


def test_a_chunked_body_above_the_limit_is_too_large(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 1_000

    problem(client.post("/v1/predict", content=chunks(), headers=JSON), 413, "too-large")


def test_a_chunked_body_below_the_limit_is_read(client: TestClient) -> None:
    parts = iter([b'{"text": ', b'"printer"', b"}"])
    assert client.post("/v1/predict", content=parts, headers=JSON).status_code == 200


def test_an_unknown_address_is_a_problem(client: TestClient) -> None:
    problem(client.get("/v2/predict"), 404, "not-found")


def test_another_method_is_a_problem_that_names_the_right_one(client: TestClient) -> None:
    response = client.get("/v1/predict")
    problem(response, 405, "method")
    assert response.headers["allow"] == "POST"


@pytest.fixture
def empty(make_app: MakeApp, assistants: Assistants) -> Iterator[TestClient]:
    assistants.refresh()
    with TestClient(make_app()) as client:
        yield client


def test_without_a_bundle_tickets_are_not_ready_with_the_reason(empty: TestClient) -> None:
    for path, body in (
        ("/v1/predict", {"text": "a"}),
        ("/v1/predict/batch", {"tickets": [{"text": "a"}]}),
    ):
        response = empty.post(path, json=body)
        told = problem(response, 503, "not-ready")
        assert "publish a bundle first" in told["detail"]
        assert int(response.headers["retry-after"]) >= 1
    problem(empty.get("/readyz"), 503, "not-ready")


def test_without_a_bundle_the_model_says_so(empty: TestClient) -> None:
    card = empty.get("/v1/model").json()
    assert card["state"] == "not_ready"
    assert "publish a bundle first" in card["reason"]
    assert card["version"] is None
    assert card["targets"] == {}


def test_the_model_says_what_answers_and_what_it_promises(client: TestClient) -> None:
    card = client.get("/v1/model").json()
    assert card["state"] == "ready"
    assert card["version"] == VERSION
    assert card["targets"] == {"category": ["network", "printer"]}
    assert card["weights"] == {"category": {"linear": 1.0}}
    assert card["certificate"]["category"]["accuracy"] == 0.95
    assert card["metrics"]["targets"]["category"]["accuracy_ci"] == [0.88, 0.92]
    assert card["libraries"] == {"numpy": "2.4.6"}


def test_a_model_from_the_sample_warns(client: TestClient) -> None:
    card = client.get("/v1/model").json()
    assert card["fallback"] is True
    assert "do not route real tickets" in card["warning"]


def test_probes_answer(client: TestClient) -> None:
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_too_many_waiting_tickets_are_refused_at_once(
    make_app: MakeApp, assistants: Assistants, store: MemoryStore, rule: RuleAssistant
) -> None:
    store.publish()
    assistants.refresh()
    rule.gate.clear()
    answered: list[int] = []
    with TestClient(make_app(max_tickets=4, max_waiting=4)) as client:

        def fill_the_queue() -> None:
            batch = {"tickets": [{"text": "a"}] * 4}
            answered.append(client.post("/v1/predict/batch", json=batch).status_code)

        thread = threading.Thread(target=fill_the_queue)
        thread.start()
        assert rule.asked.wait(5)
        response = client.post("/v1/predict", json={"text": "one more"})
        rule.gate.set()
        thread.join()
    problem(response, 503, "overloaded")
    assert int(response.headers["retry-after"]) >= 1
    assert answered == [200]


def test_an_answer_that_takes_too_long_is_given_up(
    make_app: MakeApp, assistants: Assistants, store: MemoryStore, rule: RuleAssistant
) -> None:
    store.publish()
    assistants.refresh()
    rule.gate.clear()
    with TestClient(make_app(timeout_seconds=0.05)) as client:
        told = problem(client.post("/v1/predict", json={"text": "a"}), 504, "deadline")
        rule.gate.set()
    assert "0.05 seconds" in told["detail"]


def test_a_model_that_breaks_is_a_500_and_the_service_goes_on(
    client: TestClient, rule: RuleAssistant
) -> None:
    rule.fails_on = "poison"
    told = problem(client.post("/v1/predict", json={"text": "poison"}), 500, "internal")
    assert told["instance"].startswith("urn:uuid:")
    assert client.post("/v1/predict", json={"text": "printer"}).status_code == 200


def test_a_time_out_inside_the_model_is_not_taken_for_the_deadline(
    client: TestClient, rule: RuleAssistant
) -> None:
    rule.fails_on, rule.failure = "slow", TimeoutError
    problem(client.post("/v1/predict", json={"text": "slow"}), 500, "internal")


SECRET = "S3CRET-Müller-Zwq4711"


def test_no_word_of_a_ticket_reaches_logs_errors_or_metrics(
    client: TestClient, rule: RuleAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    rule.fails_on = SECRET
    quoted = SECRET.encode()
    bodies: list[bytes] = [
        b'{"text": "%b"}' % quoted,
        b'{"text": "%b"' % quoted,
        b'{"text": 1, "%b": "%b"}' % (quoted, quoted),
        b'{"text": ["%b"]}' % quoted,
        b'{"text": "a", "created_at": "%b"}' % quoted,
        b'{"text": "a", "language": "%b"}' % quoted,
        b'"%b"' % quoted,
        b'{"text": "%b"}' % (quoted * 100),
        b'{"text": "%b"}' % (quoted * 2_000),
    ]
    answers = []
    for body in bodies:
        for path, sent in (
            ("/v1/predict", body),
            ("/v1/predict/batch", b'{"tickets": [%b]}' % body),
            (f"/v1/{SECRET}", body),
            (f"/v1/predict?{SECRET}={SECRET}", body),
        ):
            answers.append(client.post(path, content=sent, headers=JSON))
        claimed = {"content-type": "text/S3CRET-Zwq4711"}
        answers.append(client.post("/v1/predict", content=body, headers=claimed))
        answers.append(client.request("SECRETZwq4711", "/v1/predict", content=body, headers=JSON))
    assert {answer.status_code for answer in answers} == {400, 404, 405, 413, 415, 422, 500}
    seen = "".join(f"{answer.text}{answer.headers}" for answer in answers)
    ours = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("httpx")
    )
    metrics = client.get("/metrics").text
    for place, text in (("answers", seen), ("logs", ours), ("metrics", metrics)):
        assert "Zwq4711" not in text, place  # no id is written so
    assert "unexpected error" in ours


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
near_tickets = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=210) | json_values,
        "subject": st.text(max_size=20) | json_values,
        "text": st.text(max_size=40) | json_values,
        "language": st.sampled_from(["en", "xx", "", "a" * 9]) | json_values,
        "created_at": st.datetimes().map(str) | json_values,
    },
)
near_batches = st.fixed_dictionaries({"tickets": st.lists(near_tickets, max_size=6) | json_values})


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    path=st.sampled_from(["/v1/predict", "/v1/predict/batch"]),
    body=st.one_of(json_values, near_tickets, near_batches),
)
def test_no_json_makes_the_service_fail(client: TestClient, path: str, body: Any) -> None:
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    response = client.post(path, content=content, headers=JSON)
    assert response.status_code in {200, 400, 413, 422}
    if response.status_code != 200:
        assert response.headers["content-type"] == MEDIA_TYPE


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=st.binary(max_size=200), claimed=st.sampled_from(["application/json", "text/plain"]))
def test_no_bytes_make_the_service_fail(client: TestClient, body: bytes, claimed: str) -> None:
    response = client.post("/v1/predict", content=body, headers={"content-type": claimed})
    assert response.status_code in {400, 415, 422}


def test_the_foreign_layer_does_not_touch_our_own_problems(
    make_app: MakeApp, assistants: Assistants
) -> None:
    with TestClient(ForeignErrors(make_app(), lambda: "another reason")) as client:
        told = problem(client.post("/v1/predict", json={"text": "a"}), 503, "not-ready")
    assert "another reason" not in told["detail"]
