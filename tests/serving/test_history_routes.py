import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from serving.archive import Archive
from serving.contract import document
from serving.problems import MEDIA_TYPE
from tests.serving.fakes import MakeApp
from tests.serving.store_fakes import (
    FakeStore,
    feedback_row,
    install_archive,
    opened_archive,
    prediction_row,
    told,
)
from tests.serving.test_contract import examples_of, schemas_of, validator

FOREVER = 3_600_000


@pytest.fixture
def kept() -> FakeStore:
    return FakeStore()


@pytest.fixture
def archive(kept: FakeStore, tmp_path: Path) -> Iterator[Archive]:
    with opened_archive(kept, tmp_path) as archive:
        yield archive


@pytest.fixture
def asked(make_app: MakeApp, archive: Archive) -> Iterator[TestClient]:
    with install_archive(make_app(), archive) as client:
        yield client


def put(archive: Archive, *numbers: int, **facts: Any) -> None:
    archive.writer.put([told(number, **facts) for number in numbers]).result(10)


def problem(response: Any, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:ticket-assistant:problem:{name}"
    return body


def test_a_stored_prediction_is_told_with_what_was_said_of_it(
    asked: TestClient, archive: Archive, kept: FakeStore
) -> None:
    put(archive, 1, customer="C-1")
    kept.add_feedback([feedback_row(1, author="agent-7")])
    response = asked.get(f"/v1/predictions/{told(1).id}")
    assert response.status_code == 200
    found = response.json()
    assert found["ticket"]["text"] == prediction_row(1).ticket.text
    assert found["customer"] == "C-1"
    assert found["prediction"]["targets"]["category"]["label"] == "network"
    assert [(said["author"], said["status"]) for said in found["feedback"]] == [
        ("agent-7", "accepted")
    ]


def test_an_id_nobody_knows_is_a_problem_that_does_not_repeat_it(asked: TestClient) -> None:
    assert "unheard" not in str(problem(asked.get("/v1/predictions/unheard"), 404, "unknown-id"))


def test_pages_follow_one_another_to_the_end(asked: TestClient, archive: Archive) -> None:
    put(archive, *range(1, 6))
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        after = {} if cursor is None else {"cursor": cursor}
        page = asked.get("/v1/predictions", params={"limit": "2", **after}).json()
        seen += [found["id"] for found in page["predictions"]]
        cursor = page["next"]
    assert seen == [told(number).id for number in (5, 4, 3, 2, 1)]
    assert cursor is None


def test_filters_are_those_of_the_store(asked: TestClient, archive: Archive) -> None:
    put(archive, 1, 2, customer="C-1")
    put(archive, 3)
    put(archive, 4, explicit=True)
    put(archive, 5, arm="shadow", beside=told(1).id)
    for query, numbers in (
        ({"customer": "C-1"}, (2, 1)),
        ({"ticket_id": "T-3"}, (3,)),
        ({"text": "number 2"}, (2,)),
        ({"since": told(2).at.isoformat(), "arm": ["champion", "challenger"]}, (4, 3, 2)),
        ({"arm": ["shadow"]}, (5,)),
        ({"explicit": True}, (4,)),
        ({"beside": told(1).id}, (5,)),
        ({"until": told(2).at.isoformat(), "arm": "champion"}, (1,)),
    ):
        found = asked.get("/v1/predictions", params=query).json()["predictions"]
        assert [one["id"] for one in found] == [told(number).id for number in numbers]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "#/limit"),
        ("limit=501", "#/limit"),
        ("decision=perhaps", "#/decision"),
        ("since=yesterday", "#/since"),
        ("since=2026-11-23T08:00:00", "#/since"),
        ("audit=perhaps", "#/audit"),
        ("explicit=perhaps", "#/explicit"),
        ("arm=champion&arm=nobody", "#/arm/1"),
        ("text=", "#/text"),
        ("cursor=none-of-ours", "#/cursor"),
        ("surprise=1", "#"),
    ],
)
def test_a_wrong_parameter_is_named_and_not_repeated(
    asked: TestClient, query: str, pointer: str
) -> None:
    body = problem(asked.get(f"/v1/predictions?{query}"), 422, "parameters")
    assert [error["pointer"] for error in body["errors"]] == [pointer]
    assert query.partition("=")[2] not in str(body) or len(query.partition("=")[2]) < 2
    assert "surprise" not in str(body)


def test_json_lines_hold_everything_and_the_oldest_first(
    asked: TestClient, archive: Archive, kept: FakeStore
) -> None:
    put(archive, 1, 2)
    kept.add_feedback([feedback_row(2)])
    response = asked.get("/v1/predictions/export", params={"format": "jsonl"})
    assert response.headers["content-disposition"].endswith('"predictions.jsonl"')
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [line["stored"]["id"] for line in lines] == [told(1).id, told(2).id]
    assert [len(line["feedback"]) for line in lines] == [0, 1]


def test_csv_holds_a_row_for_each_target(asked: TestClient, archive: Archive) -> None:
    put(archive, 1, 2, 3)
    query = {"format": "csv", "ticket_id": "T-2"}
    response = asked.get("/v1/predictions/export", params=query)
    (row,) = csv.DictReader(io.StringIO(response.text))
    assert (row["id"], row["target"], row["label"]) == (told(2).id, "category", "network")


@pytest.mark.parametrize("n", [0, 1, 1_201])
def test_parquet_is_whole_whatever_its_size(asked: TestClient, kept: FakeStore, n: int) -> None:
    kept.predictions = {row.id: row for row in map(prediction_row, range(n))}
    response = asked.get("/v1/predictions/export", params={"format": "parquet"})
    table = pq.read_table(io.BytesIO(response.content))
    assert table.column("id").to_pylist() == list(kept.predictions)


def test_an_export_needs_a_known_form(asked: TestClient) -> None:
    for query in ("", "?format=xlsx"):
        body = problem(asked.get(f"/v1/predictions/export{query}"), 422, "parameters")
        assert body["errors"][0]["pointer"] == "#/format"


@pytest.mark.parametrize(
    "path",
    ["/v1/predictions", "/v1/predictions/1", "/v1/predictions/export?format=csv"],
)
def test_while_the_store_is_down_reading_says_so(
    asked: TestClient, kept: FakeStore, path: str
) -> None:
    kept.down = True
    response = asked.get(path)
    problem(response, 503, "store")
    assert int(response.headers["retry-after"]) >= 1


def test_a_store_that_hangs_is_told_as_down_after_its_time(
    make_app: MakeApp, kept: FakeStore, tmp_path: Path
) -> None:
    with opened_archive(kept, tmp_path, store_timeout_seconds=0.05) as archive:
        kept.gate.clear()
        problem(install_archive(make_app(), archive).get("/v1/predictions"), 503, "store")


def test_erasing_a_ticket_takes_it_from_store_and_spool(
    asked: TestClient, archive: Archive, kept: FakeStore
) -> None:
    put(archive, 1, 2)
    kept.add_feedback([feedback_row(1, key="stored")])
    kept.down = True
    archive.spool.append([feedback_row(1), feedback_row(2)])
    kept.down = False
    response = asked.delete("/v1/tickets/T-1")
    assert response.status_code == 200
    gone = response.json()
    # The spool may have been handed over a moment before; it is one or the other.
    assert (gone["predictions"], gone["feedback"] + gone["spooled"]) == (1, 2)
    assert list(kept.predictions) == [told(2).id]
    assert {row.prediction_id for row in kept.feedback.values()} <= {told(2).id}
    assert [event.action for event in kept.lines] == ["erase"]
    assert asked.get(f"/v1/predictions/{told(1).id}").status_code == 404


def test_erasing_a_customer_takes_what_waits_to_be_written(
    make_app: MakeApp, kept: FakeStore, tmp_path: Path
) -> None:
    with opened_archive(kept, tmp_path, record_lag_ms=FOREVER) as archive:
        archive.record([told(1, customer="C-1"), told(2, customer="C-1")])
        archive.record([told(3, customer="C-3")])
        response = install_archive(make_app(), archive).delete("/v1/customers/C-1")
        assert response.json() == {
            "predictions": 0,
            "feedback": 0,
            "waiting": 2,
            "spooled": 0,
            "jobs": 0,
        }
    assert list(kept.predictions) == [told(3).id]


def test_an_id_may_hold_what_a_path_holds(
    asked: TestClient, archive: Archive, kept: FakeStore
) -> None:
    ticket = told(1).ticket.model_copy(update={"id": "queue/7 ä"})
    archive.writer.put([told(1, ticket=ticket)]).result(10)
    assert asked.delete("/v1/tickets/queue%2F7%20%C3%A4").json()["predictions"] == 1


def test_an_erasure_that_cannot_be_logged_takes_nothing_from_the_store(
    asked: TestClient, archive: Archive, kept: FakeStore
) -> None:
    put(archive, 1)
    kept.down = True
    problem(asked.delete("/v1/tickets/T-1"), 503, "store")
    assert list(kept.predictions) == [told(1).id]


def test_a_key_no_ticket_can_have_is_refused(asked: TestClient) -> None:
    for path in ("/v1/tickets/", f"/v1/customers/{'c' * 201}"):
        problem(asked.delete(path), 422, "parameters")


@pytest.fixture
def spec(asked: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = asked.get("/openapi.json").json()
    return found


def test_the_documents_examples_fit_their_schemas(spec: dict[str, Any]) -> None:
    paths = ("/v1/feedback", "/v1/review", "/v1/predictions", "/v1/tickets", "/v1/customers")
    ours = {path: found for path, found in spec["paths"].items() if path.startswith(paths)}
    assert len(ours) == 7
    checked = 0
    for media in schemas_of(ours):
        for sample in examples_of(media):
            validator(spec, media["schema"]).validate(sample)
            checked += 1
    assert checked >= 30


def test_the_document_keeps_one_schema_for_a_ticket_that_comes_in(
    make_app: MakeApp, archive: Archive
) -> None:
    app = make_app()
    install_archive(app, archive)
    schemas = document(app, archive.settings)["components"]["schemas"]
    assert {"Ticket", "KeptTicket"} <= set(schemas)
    assert not [name for name in schemas if name.endswith(("-Input", "-Output"))]


def test_answers_fit_their_documented_schema(
    asked: TestClient, archive: Archive, spec: dict[str, Any]
) -> None:
    put(archive, 1)
    for path in ("/v1/predictions", "/v1/review"):
        operation = spec["paths"][path]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        validator(spec, schema).validate(asked.get(path).json())
