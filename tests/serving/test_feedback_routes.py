from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.archive import Archive
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.telemetry import Telemetry
from tests.serving.fakes import MakeApp, MemoryStore
from tests.serving.store_fakes import FakeStore, install_archive, opened_archive, told

ONE = {"key": "k-1", "prediction_id": told(1).id, "target": "category", "verdict": "confirm"}
OTHER = {**ONE, "key": "k-2", "prediction_id": told(2).id, "verdict": "correct", "label": "printer"}


@pytest.fixture
def kept() -> FakeStore:
    return FakeStore()


@pytest.fixture
def archive(kept: FakeStore, tmp_path: Path) -> Iterator[Archive]:
    with opened_archive(kept, tmp_path) as archive:
        archive.writer.put([told(1), told(2)]).result(10)
        yield archive


@pytest.fixture
def asked(make_app: MakeApp, archive: Archive) -> Iterator[TestClient]:
    with install_archive(make_app(), archive) as client:
        yield client


def problem(response: Any, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:ticket-assistant:problem:{name}"
    return body


def test_one_is_stored(asked: TestClient, kept: FakeStore) -> None:
    response = asked.post("/v1/feedback", json={**ONE, "author": "agent-7"})
    assert response.status_code == 200
    assert response.json() == {
        "feedback": [
            {
                "key": "k-1",
                "prediction_id": told(1).id,
                "target": "category",
                "kept": "stored",
                "status": "accepted",
            }
        ]
    }
    assert kept.feedback["k-1"].author == "agent-7"


def test_many_are_stored_in_order(asked: TestClient, kept: FakeStore) -> None:
    response = asked.post("/v1/feedback", json={"feedback": [OTHER, ONE]})
    assert response.status_code == 200
    assert [one["key"] for one in response.json()["feedback"]] == ["k-2", "k-1"]
    assert list(kept.feedback) == ["k-2", "k-1"]
    assert kept.feedback["k-2"].label == "printer"


def test_sent_again_it_counts_once(asked: TestClient, kept: FakeStore) -> None:
    first, second = (asked.post("/v1/feedback", json=ONE) for _ in range(2))
    assert first.json() == second.json()
    assert second.status_code == 200
    assert len(kept.feedback) == 1


def test_a_key_with_other_content_is_a_conflict(asked: TestClient, kept: FakeStore) -> None:
    asked.post("/v1/feedback", json=ONE)
    body = problem(asked.post("/v1/feedback", json={**ONE, "verdict": "reject"}), 409, "conflict")
    assert "k-1" not in str(body)
    assert kept.feedback["k-1"].verdict == "confirm"


def test_the_key_may_stand_in_the_header(asked: TestClient, kept: FakeStore) -> None:
    without = {name: value for name, value in ONE.items() if name != "key"}
    response = asked.post("/v1/feedback", json=without, headers={"Idempotency-Key": "h-1"})
    assert response.status_code == 200
    assert list(kept.feedback) == ["h-1"]


@pytest.mark.parametrize("body", [ONE, {"feedback": [ONE]}], ids=["another key", "many"])
def test_a_header_that_does_not_fit_the_body_is_refused(
    asked: TestClient, kept: FakeStore, body: dict[str, Any]
) -> None:
    response = asked.post("/v1/feedback", json=body, headers={"Idempotency-Key": "h-1"})
    told_ = problem(response, 422, "invalid-header")
    places = [(error["pointer"], error["type"]) for error in told_["errors"]]
    assert places == [("#/Idempotency-Key", "keys_differ")]
    assert not kept.feedback


@pytest.mark.parametrize("key", ["", "k" * 201], ids=["empty", "too long"])
def test_a_header_that_is_not_valid_is_named_and_not_the_body(
    asked: TestClient, kept: FakeStore, key: str
) -> None:
    response = asked.post("/v1/feedback", json=ONE, headers={"Idempotency-Key": key})
    body = problem(response, 422, "invalid-header")
    assert body["title"] == "A header of the request is not valid"
    assert body["detail"] == "1 header is not valid"
    assert [error["pointer"] for error in body["errors"]] == ["#/Idempotency-Key"]
    assert not kept.feedback


def test_a_label_the_model_does_not_know_is_kept_as_a_proposal(
    asked: TestClient, kept: FakeStore
) -> None:
    response = asked.post("/v1/feedback", json={**OTHER, "label": "telephony"})
    assert response.json()["feedback"][0]["status"] == "proposal"
    assert kept.feedback["k-2"].label == "telephony"


def test_feedback_on_a_prediction_nobody_knows_is_kept_as_pending(asked: TestClient) -> None:
    response = asked.post("/v1/feedback", json={**ONE, "prediction_id": "unheard-of"})
    assert response.status_code == 200
    assert response.json()["feedback"][0]["status"] == "pending"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({**ONE, "key": None}, ["#/key"]),
        ({**ONE, "verdict": "correct"}, ["#/label"]),
        ({**ONE, "label": "printer"}, ["#/label"]),
        ({**ONE, "verdict": "maybe"}, ["#/verdict"]),
        ({**ONE, "target": ""}, ["#/target"]),
        ({**ONE, "target": "mood"}, ["#/target"]),
        ({**ONE, "surprise": 1}, ["#"]),
        ({"feedback": []}, ["#/feedback"]),
        ({"feedback": [ONE] * 5}, ["#/feedback"]),
        ({"feedback": "all"}, ["#/feedback"]),
        ({"feedback": [ONE, {**ONE, "key": ""}]}, ["#/feedback/1/key"]),
        ({"feedback": [ONE, {**OTHER, "target": "mood"}]}, ["#/feedback/1/target"]),
        (
            {"feedback": [{**OTHER, "label": None}, {**ONE, "key": None}]},
            ["#/feedback/0/label", "#/feedback/1/key"],
        ),
        ([], ["#"]),
    ],
)
def test_what_is_wrong_is_named_by_its_place_and_nothing_is_kept(
    asked: TestClient, kept: FakeStore, body: Any, pointers: list[str]
) -> None:
    told_ = problem(asked.post("/v1/feedback", json=body), 422, "validation")
    assert [error["pointer"] for error in told_["errors"]] == pointers
    assert all(error["message"] for error in told_["errors"])
    assert "mood" not in str(told_)
    assert "surprise" not in str(told_)
    assert not kept.feedback


def test_while_the_store_is_down_it_is_spooled_and_accepted(
    asked: TestClient, kept: FakeStore, archive: Archive
) -> None:
    kept.down = True
    response = asked.post("/v1/feedback", json={"feedback": [ONE, OTHER]})
    assert response.status_code == 202
    told_ = response.json()["feedback"]
    assert [(one["kept"], one["status"]) for one in told_] == [("spooled", "pending")] * 2
    assert archive.spool.count()["waiting"] == 2


def test_when_nothing_can_keep_it_the_caller_is_told_when_to_come_back(
    make_app: MakeApp, kept: FakeStore, tmp_path: Path
) -> None:
    with opened_archive(kept, tmp_path, spool_bytes=10) as archive:
        kept.down = True
        response = install_archive(make_app(), archive).post("/v1/feedback", json=ONE)
    problem(response, 503, "store")
    assert int(response.headers["retry-after"]) >= 1


def test_predictions_go_on_while_the_store_hangs_and_wait_to_be_stored(
    kept: FakeStore,
    assistants: Assistants,
    store: MemoryStore,
    telemetry: Telemetry,
    tmp_path: Path,
) -> None:
    store.publish()
    assistants.refresh()
    kept.gate.clear()
    with opened_archive(kept, tmp_path, store_timeout_seconds=0.1) as archive:
        app = create_app(archive.settings, assistants, Batcher(), telemetry, archive=archive)
        with TestClient(app) as client:
            response = client.post("/v1/predict", json={"text": "the printer is on fire"})
        assert response.status_code == 200
        assert archive.writer.behind.rows == 1
        kept.gate.set()
        archive.writer.close()
    assert response.json()["id"] in kept.predictions


def test_another_media_type_is_refused(asked: TestClient) -> None:
    response = asked.post("/v1/feedback", content=b"{}", headers={"content-type": "text/plain"})
    problem(response, 415, "media-type")
