from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from data.store import Answered, StoredFeedback
from serving.archive import Archive
from serving.review import ReviewItem
from tests.serving.fakes import MakeApp
from tests.serving.store_fakes import (
    FakeStore,
    feedback_row,
    install_archive,
    opened_archive,
    prediction_row,
    told,
)


def answered(*said: str, audit: bool = False) -> Answered:
    """A prediction of `category`, in review, and `team`, routed; feedback on those named."""
    row = prediction_row(1, audit=audit)
    category = row.prediction.targets["category"]
    team = category.model_copy(update={"decision": "auto", "reason": "certified", "shortlist": ()})
    prediction = row.prediction.model_copy(update={"targets": {"category": category, "team": team}})
    feedback = tuple(
        StoredFeedback(**feedback_row(1, target=target).model_dump(), status="accepted")
        for target in said
    )
    stored = row.model_copy(
        update={"prediction": prediction, "cost": {"category": 0.4, "team": 0.1}}
    )
    return Answered(stored=stored, feedback=feedback)


def test_an_item_shows_what_a_person_needs_to_decide() -> None:
    item = ReviewItem.of(answered())
    row = prediction_row(1)
    assert item.prediction_id == row.id
    assert item.ticket.text == row.ticket.text
    assert item.targets == {"category": row.prediction.targets["category"]}
    assert item.similar == row.prediction.similar
    assert (item.cost, item.costs) == (0.4, {"category": 0.4})


def test_of_the_audit_sample_every_target_wants_an_answer() -> None:
    item = ReviewItem.of(answered(audit=True))
    assert list(item.targets) == ["category", "team"]
    assert item.cost == pytest.approx(0.5)


def test_what_was_answered_is_not_asked_again() -> None:
    assert list(ReviewItem.of(answered("category", audit=True)).targets) == ["team"]


def test_only_the_targets_wanted_are_shown_and_counted() -> None:
    item = ReviewItem.of(answered(audit=True), ["team"])
    assert list(item.targets) == ["team"]
    assert item.cost == 0.1


@pytest.fixture
def kept() -> FakeStore:
    return FakeStore()


@pytest.fixture
def archive(kept: FakeStore, tmp_path: Path) -> Iterator[Archive]:
    costs = tmp_path / "costs.yaml"
    costs.write_text("category: {printer: {network: 10}}")
    with opened_archive(kept, tmp_path, cost_matrix=costs) as archive:
        yield archive


@pytest.fixture
def asked(make_app: MakeApp, archive: Archive) -> Iterator[TestClient]:
    with install_archive(make_app(), archive) as client:
        yield client


def with_confidence(number: int, confidence: float, **changes: Any) -> Any:
    """A told answer whose other half of the probability is on one candidate."""
    one = told(number, **changes)
    answer = one.prediction.targets["category"].model_copy(
        update={"confidence": confidence, "shortlist": ()}
    )
    prediction = one.prediction.model_copy(update={"targets": {"category": answer}})
    return told(number, prediction=prediction, **changes)


def test_the_dearest_comes_first_and_of_equals_the_older(
    asked: TestClient, archive: Archive
) -> None:
    rows = [with_confidence(n, p) for n, p in ((1, 0.9), (2, 0.5), (3, 0.9), (4, 0.7))]
    archive.writer.put(rows).result(10)
    response = asked.get("/v1/review")
    assert response.status_code == 200
    items = response.json()["items"]
    assert [item["prediction_id"] for item in items] == [told(n).id for n in (2, 4, 1, 3)]
    # The mass not told lies on printer (10) and workplace (1) alike: 0.5 * 5.5.
    assert items[0]["cost"] == pytest.approx(2.75)
    assert items[0]["similar"][0]["id"] == "T-0"
    assert len(asked.get("/v1/review", params={"limit": 1}).json()["items"]) == 1


def test_an_answered_ticket_leaves_the_queue(asked: TestClient, archive: Archive) -> None:
    archive.writer.put([told(1), told(2)]).result(10)
    given = {"key": "k", "prediction_id": told(1).id, "target": "category", "verdict": "confirm"}
    assert asked.post("/v1/feedback", json=given).status_code == 200
    items = asked.get("/v1/review").json()["items"]
    assert [item["prediction_id"] for item in items] == [told(2).id]


def test_a_target_that_is_not_in_review_leaves_nothing(asked: TestClient, archive: Archive) -> None:
    archive.writer.put([told(1)]).result(10)
    assert asked.get("/v1/review", params={"target": "mood"}).json() == {"items": []}
    assert len(asked.get("/v1/review?target=mood&target=category").json()["items"]) == 1


def test_shadows_are_not_reviewed(asked: TestClient, archive: Archive) -> None:
    archive.writer.put([told(1, arm="shadow")]).result(10)
    assert asked.get("/v1/review").json() == {"items": []}


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=many", "target="])
def test_a_wrong_parameter_is_named(asked: TestClient, query: str) -> None:
    response = asked.get(f"/v1/review?{query}")
    assert response.status_code == 422
    body = response.json()
    assert body["type"].endswith(":parameters")
    assert body["errors"][0]["pointer"].startswith(f"#/{query.partition('=')[0]}")


def test_while_the_store_is_down_the_queue_says_so(asked: TestClient, kept: FakeStore) -> None:
    kept.down = True
    response = asked.get("/v1/review")
    assert response.status_code == 503
    assert response.json()["type"].endswith(":store")
    assert response.headers["retry-after"]
