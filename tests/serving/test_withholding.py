"""Classes withheld reach a live server without a load, and bind every way to ask it."""

import json
import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from models.withholding import restore, withhold
from serving.assistants import Assistants
from tests.serving.arm_fakes import NOW, A, B, deployment
from tests.serving.fakes import VERSION, MemoryStore
from tests.serving.test_answering import Service, ask, service
from tests.serving.test_telemetry import samples

__all__ = ["service"]

WHY = "of 212 audited tickets 187 were right"
LOST = {"printer": WHY}


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(service.app()) as client:
        yield client


def test_a_withheld_class_goes_to_a_person_without_a_load_and_comes_back(
    service: Service, client: TestClient
) -> None:
    whole = deployment(A)
    service.run(whole)
    before = ask(client).targets["category"]
    service.run(withhold(whole, A, "category", LOST, NOW))
    kept = ask(client).targets["category"]
    assert (before.decision, kept.decision, kept.reason) == ("auto", "review", "certificate_lost")
    assert [candidate.label for candidate in kept.shortlist] == ["printer"]
    assert (kept.label, kept.confidence, kept.threshold) == (
        before.label,
        before.confidence,
        before.threshold,
    )
    assert ask(client, "network").targets["category"].reason == "below_threshold"
    lost = withhold(whole, A, "category", LOST, NOW)
    service.run(restore(lost, A, "category", "printer", NOW))
    assert ask(client).targets["category"] == before
    assert service.loader.loaded == [A]
    found = samples(service.telemetry)
    assert found["tickets_decisions_total", "certificate_lost", "category"] == 1


def test_only_the_bundle_that_lost_it_withholds_the_class(
    service: Service, client: TestClient
) -> None:
    service.run(withhold(deployment(A, {B: 0.5}), B, "category", LOST, NOW))
    answers = [ask(client, id=f"T-{i}") for i in range(30)]
    found = {(one.bundle, one.targets["category"].decision) for one in answers}
    assert found == {(A, "auto"), (B, "review")}


def test_a_shadow_answers_as_it_would_if_it_were_told(service: Service, client: TestClient) -> None:
    service.run(withhold(deployment(A, shadows={B: 1}), B, "category", LOST, NOW))
    ask(client)
    assert service.shadows.join(10)
    [shadow] = [one for one in service.recorded if one.arm == "shadow"]
    assert shadow.prediction.targets["category"].reason == "certificate_lost"


def test_the_audit_goes_on_drawing_what_is_withheld(service: Service) -> None:
    service.run(withhold(deployment(A), A, "category", LOST, NOW))
    with TestClient(service.app(audit_share=0.5)) as client:
        for i in range(40):
            ask(client, id=f"T-{i}")
    drawn = [one.audit for one in service.recorded]
    assert 8 <= sum(drawn) <= 32  # of 40 with probability 1/2: outside once in 23,000 runs
    assert {one.audit_propensity for one in service.recorded} == {0.5}


def test_arms_and_model_tell_what_is_withheld_and_why(service: Service, client: TestClient) -> None:
    assert client.get("/v1/model").json()["withheld"] == {}
    service.run(withhold(deployment(A, {B: 0.5}), A, "category", LOST, NOW))
    arms = client.get("/v1/arms").json()["arms"]
    assert [arm["withheld"] for arm in arms] == [{"category": LOST}, {}]
    assert client.get("/v1/model").json()["withheld"] == {"category": LOST}


def test_batches_and_jobs_withhold_too(
    whole_app: FastAPI, whole_client: TestClient, assistants: Assistants, store: MemoryStore
) -> None:
    assert store.deployment is not None
    store.deployment = withhold(store.deployment, VERSION, "category", LOST, NOW)
    assistants.refresh()
    sent = {"tickets": [{"text": "printer"}, {"text": "network"}]}
    told = whole_client.post("/v1/predict/batch", json=sent).json()["predictions"]
    reasons = ["certificate_lost", "below_threshold"]
    assert [one["targets"]["category"]["reason"] for one in told] == reasons
    job = whole_client.post(
        "/v1/jobs", content="\n".join(map(json.dumps, sent["tickets"])),
        headers={"content-type": "application/x-ndjson"},
    ).json()["id"]  # fmt: skip
    deadline = time.monotonic() + 10
    while whole_client.get(f"/v1/jobs/{job}").json()["state"] != "done":
        assert time.monotonic() < deadline, "the job does not end"
        time.sleep(0.02)
    lines = whole_client.get(f"/v1/jobs/{job}/result").text.splitlines()
    found = [json.loads(line)["prediction"]["targets"]["category"]["reason"] for line in lines]
    assert found == reasons
