"""Bodies that are made to cost more than they weigh."""

import gzip
import json

import pytest
from starlette.testclient import TestClient

from serving.problems import MEDIA_TYPE

ROUTES = ("/v1/predict", "/v1/predict/batch", "/v1/similar", "/v1/feedback", "/v1/jobs")
JSON = {"content-type": "application/json"}
DEEP = {
    "lists": b"[" * 19_000,
    "closed lists": b"[" * 9_500 + b"]" * 9_500,
    "objects": b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    "inside a ticket": b'{"text": ' + b"[" * 9_000 + b"]" * 9_000 + b"}",
}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
def test_json_of_any_depth_is_refused_as_a_fault_of_the_body(
    whole_client: TestClient, path: str, body: bytes
) -> None:
    response = whole_client.post(path, content=body, headers=JSON)
    assert response.status_code in {400, 422}
    assert response.headers["content-type"] == MEDIA_TYPE


def test_a_deep_line_of_a_job_is_refused_alone(whole_client: TestClient) -> None:
    lines = [b'{"text": "a printer"}', b"[" * 15_000, b'{"text": "a printer"}']
    sent = whole_client.post(
        "/v1/jobs", content=b"\n".join(lines), headers={"content-type": "application/x-ndjson"}
    )
    address = sent.headers["location"]
    while not whole_client.get(address).json()["finished_at"]:
        pass
    answers = whole_client.get(address + "/result").text.splitlines()
    told = [json.loads(line)["prediction"] is not None for line in answers]
    assert told == [True, False, True]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_packed_body_is_not_unpacked(whole_client: TestClient, path: str, coding: str) -> None:
    bomb = gzip.compress(b'{"text": "' + b"a" * 10_000_000 + b'"}')
    assert len(bomb) < 20_000
    response = whole_client.post(path, content=bomb, headers={**JSON, "content-encoding": coding})
    assert response.status_code in {400, 422}
    assert response.headers["content-type"] == MEDIA_TYPE


def test_a_field_given_often_counts_once_and_unknown_ones_are_refused(
    whole_client: TestClient,
) -> None:
    body = b'{"text": "wifi", "text": "a printer"}'
    answer = whole_client.post("/v1/predict", content=body, headers=JSON).json()
    assert answer["targets"]["category"]["label"] == "printer"
    many = {"text": "a", **{f"field{i}": 1 for i in range(1_000)}}
    response = whole_client.post("/v1/predict", json=many)
    assert response.status_code == 422
    assert "field7" not in response.text
