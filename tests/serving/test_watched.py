"""Every request is counted, logged and named, and its name goes with all it causes."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from data.log_lines import TOLD
from data.store import Query
from serving.job_runner import RunsJobs
from serving.telemetry import Telemetry
from tests.serving.test_telemetry import samples

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
ASKED = {"x-request-id": "7f3e9a1c-5b2d-4e8f-9a1b-2c3d4e5f6a7b"}


def test_requests_are_counted_by_the_template_of_their_route(
    client: TestClient, telemetry: Telemetry
) -> None:
    client.post("/v1/predict", json={"text": "printer"})
    for i in range(20):
        client.get(f"/made/up/{i}")
        client.request(f"MADEUP{i}", "/v1/predict")
    found = samples(telemetry)
    assert found["tickets_http_requests_total", "POST", "/v1/predict", "200"] == 1
    assert found["tickets_http_requests_total", "GET", "(none)", "404"] == 20
    assert found["tickets_http_requests_total", "(other)", "/v1/predict", "405"] == 20
    assert found["tickets_http_request_seconds_count", "/v1/predict"] == 21
    assert found["tickets_encoder_call_tickets_count",] == 1


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "serving.access"]


def test_probes_are_counted_and_not_logged(
    client: TestClient, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "serving.access"):
        client.get("/livez")
        client.get("/v1/model")
    [line] = lines(caplog)
    assert line.getMessage().startswith("GET /v1/model 200 ")
    assert samples(telemetry)["tickets_http_requests_total", "GET", "/livez", "200"] == 1


def test_a_line_tells_who_answered(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "serving.access"):
        client.post("/v1/predict", json={"text": "printer"})
        client.post("/v1/predict", json={"text": ""})
    answered, refused = lines(caplog)
    told = getattr(answered, TOLD)
    assert answered.getMessage().endswith(" ms champion")
    assert {**told, "ms": 0} == {
        "method": "POST", "route": "/v1/predict", "status": 200, "ms": 0, "arm": "champion",
        "caller": "",
    }  # fmt: skip
    assert getattr(refused, TOLD)["arm"] == ""
    assert refused.getMessage().endswith(" ms")


@pytest.mark.parametrize(
    ("headers", "name"),
    [(PARENT, TRACE), (ASKED, ASKED["x-request-id"]), ({**PARENT, **ASKED}, TRACE)],
)
def test_the_name_a_client_gives_is_given_back(
    client: TestClient, headers: dict[str, str], name: str
) -> None:
    for path in ("/v1/model", "/nowhere", "/livez"):
        assert client.get(path, headers=headers).headers["x-request-id"] == name


def test_who_gives_no_name_or_a_word_gets_a_new_one(client: TestClient) -> None:
    given: tuple[dict[str, str], ...] = ({}, {"x-request-id": "swordfish swordfish"}, {})
    names = [client.get("/v1/model", headers=one).headers["x-request-id"] for one in given]
    assert len(set(names)) == 3
    assert all(len(name) == 32 and int(name, 16) for name in names)


@pytest.mark.parametrize("status", [404, 413, 422, 500])
def test_an_error_is_named_too(client: TestClient, rule: Any, status: int) -> None:
    rule.fails_on = "break"
    path = "/nowhere" if status == 404 else "/v1/predict"
    text = {413: "x" * 30_000, 422: "", 500: "break"}.get(status, "a")
    answer = client.post(path, json={"text": text}, headers=PARENT)
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, TRACE)


def test_the_name_stands_in_the_rows_that_a_request_left(
    whole_client: TestClient, whole_app: FastAPI
) -> None:
    told = whole_client.post("/v1/predict", json={"text": "printer"}, headers=PARENT).json()
    said = {"key": "k", "prediction_id": told["id"], "target": "category", "verdict": "confirm"}
    assert whole_client.post("/v1/feedback", json=said, headers=ASKED).status_code == 200
    kept = whole_client.get(f"/v1/predictions/{told['id']}").json()
    assert kept["correlation"] == TRACE
    assert kept["feedback"][0]["correlation"] == ASKED["x-request-id"]
    again = whole_client.post("/v1/feedback", json=said, headers=PARENT)
    assert again.status_code == 200, "said again by another request, it is the same"


def test_the_name_stands_in_the_rows_of_a_job(
    whole_app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    app = RunsJobs(whole_app, lambda: whole_app.state.runner)
    header = {"content-type": "application/x-ndjson", **PARENT}
    with TestClient(app) as client:
        sent = client.post("/v1/jobs", content=b'{"id": "j", "text": "a"}\n', headers=header)
        path = f"/v1/jobs/{sent.json()['id']}"
        until = time.monotonic() + 10
        while client.get(path).json()["state"] != "done":
            assert time.monotonic() < until
            time.sleep(0.02)
        found = client.get("/v1/predictions", params={"ticket_id": "j"}).json()["predictions"]
    assert [one["correlation"] for one in found] == [TRACE]


def test_rows_of_the_real_store_keep_it(tmp_path: Path) -> None:
    from data.sql import open_sql_store
    from tests.serving.store_fakes import LABELS, feedback_row, prediction_row

    store = open_sql_store(f"sqlite:///{tmp_path}/store.db")
    store.know_bundle("invented-0a1b2c3d", LABELS)
    store.add_predictions([prediction_row(1, correlation=TRACE)])
    store.add_feedback([feedback_row(1, correlation=TRACE)])
    [found] = store.search(Query()).found
    store.close()
    assert found.stored.correlation == found.feedback[0].correlation == TRACE
    assert json.loads(found.model_dump_json())["stored"]["correlation"] == TRACE
