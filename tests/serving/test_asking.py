"""Bundles asked through the cache: the answers are shared, and nothing that is told around them."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from data.schema import Prediction, Ticket
from models.deployment import Arm
from models.runtime_choice import RuntimeChoice
from serving.answering import Answering
from serving.arms import Told
from serving.batching import Batcher
from serving.settings import Settings
from serving.telemetry import Telemetry
from tests.serving.arm_fakes import A, B, NamedAssistant, deployment
from tests.serving.test_answering import SALT, Service, ask, service
from tests.serving.test_telemetry import samples

__all__ = ["service"]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    return {"cache": "process", "audit_share": 0.5, "jobs_folder": tmp_path / "jobs"}


@pytest.fixture
def client(service: Service, settings: dict[str, object]) -> Iterator[TestClient]:
    with TestClient(service.app(**settings)) as client:
        yield client


def calls(service: Service, version: str) -> int:
    """Tickets that a bundle was asked about."""
    return sum(service.loader.assistants[version].calls)


def bundles(service: Service, *versions: str) -> None:
    for version in versions:
        service.loader.assistants[version] = NamedAssistant(version)


def test_each_answer_has_its_own_id_arm_and_audit_and_is_stored(
    service: Service, client: TestClient
) -> None:
    bundles(service, A, B)
    service.run(deployment(A, {B: 0.5}))
    answers = [ask(client, id=f"T-{i}") for i in range(40)]
    assert (calls(service, A), calls(service, B)) == (1, 1)
    assert [one.ticket_id for one in answers] == [f"T-{i}" for i in range(40)]
    assert len({one.id for one in answers}) == 40
    assert {(one.arm, one.bundle) for one in answers} == {("champion", A), ("challenger", B)}
    assert [told.prediction for told in service.recorded] == answers
    assert {told.audit for told in service.recorded} == {True, False}
    found = samples(service.telemetry)
    assert (found["tickets_cache_hits_total",], found["tickets_cache_misses_total",]) == (38, 2)
    assert (
        found["tickets_arm_answers_total", "challenger", B]
        + found["tickets_arm_answers_total", "champion", A]
        == 40
    )
    assert found["tickets_arm_seconds_count", A] == 1, "only what the bundle was asked counts"


def test_a_cached_answer_is_the_one_that_would_be_computed(
    service: Service, client: TestClient
) -> None:
    service.run(deployment(A))
    with TestClient(service.app()) as uncached:
        for text in ("a printer", "wifi"):
            expected, first, second = (
                ask(one, text).model_copy(update={"id": None}) for one in (uncached, client, client)
            )
            assert first == second == expected


def test_a_bundle_published_later_does_not_answer_from_the_former_ones_memory(
    service: Service, client: TestClient
) -> None:
    bundles(service, A, B)
    for version in (A, B, A):
        service.run(deployment(version))
        assert ask(client).bundle == version
    assert (calls(service, A), calls(service, B)) == (1, 1), "the same version answers the same"


def test_a_certificate_lost_meanwhile_is_not_answered_from_memory(
    service: Service, client: TestClient
) -> None:
    before = deployment(A)
    lost = {"category": {"printer": "an invented reason"}}
    service.run(before)
    assert ask(client).targets["category"].decision == "auto"
    service.run(before.model_copy(update={"champion": Arm(version=A, withheld=lost)}))
    assert ask(client).targets["category"].reason == "certificate_lost"
    service.run(before)
    assert ask(client).targets["category"].decision == "auto"


def test_a_bundle_loaded_anew_on_another_runtime_is_asked_anew(
    service: Service, client: TestClient
) -> None:
    class Facts:
        def __init__(self, runtime: str) -> None:
            self.runtime = RuntimeChoice(name=runtime)

    bundles(service, A, B)
    for runtime in ("torch", "onnxruntime-int8", "torch"):
        service.loader.assistants[A].facts = Facts(runtime)  # type: ignore[attr-defined]
        service.run(deployment(A))
        ask(client)
        service.run(deployment(B))
    assert calls(service, A) == 2


def test_decisions_and_full_answers_are_remembered_apart(
    service: Service, client: TestClient
) -> None:
    service.run(deployment(A))
    for _ in range(2):
        for detail, tier in (("full", None), ("decision", "linear")):
            body = {"text": "printer"}
            told = client.post("/v1/predict", params={"detail": detail}, json=body).json()
            assert told["tier"] == tier


def test_a_burst_over_http_asks_the_bundle_once(
    service: Service, settings: dict[str, object]
) -> None:
    bundles(service, A)
    service.run(deployment(A))
    assistant = service.loader.assistants[A]
    assistant.gate.clear()

    async def scenario() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.app(**settings)), base_url="http://test"
        ) as client:
            burst = [
                asyncio.create_task(client.post("/v1/predict", json={"text": "wifi"}))
                for _ in range(30)
            ]
            assert await asyncio.to_thread(assistant.asked.wait, 10)
            await asyncio.sleep(0.05)
            assistant.gate.set()
            return await asyncio.gather(*burst)

    answers = asyncio.run(scenario())
    assert [one.status_code for one in answers] == [200] * 30
    assert len({one.json()["id"] for one in answers}) == 30
    assert assistant.calls == [1]


def test_a_request_that_runs_out_of_time_does_not_take_those_behind_along(
    service: Service, settings: dict[str, object], telemetry: Telemetry
) -> None:
    bundles(service, A)
    service.run(deployment(A))
    assistant = service.loader.assistants[A]
    assistant.gate.clear()
    answering = Answering(
        Settings.model_validate({"salt": SALT, **settings}),
        service.assistants,
        Batcher(),
        telemetry,
    )

    async def scenario() -> list[Told]:
        async def first() -> None:
            async with asyncio.timeout(0.05):
                await answering.answer([Ticket(text="wifi")])

        given_up = asyncio.create_task(first())
        await asyncio.sleep(0.01)
        behind = asyncio.create_task(answering.answer([Ticket(id="behind", text="wifi")]))
        with pytest.raises(TimeoutError):
            await given_up
        assistant.gate.set()
        return await behind

    [told] = asyncio.run(asyncio.wait_for(scenario(), 10))
    assert told.prediction.ticket_id == "behind"


def test_without_a_cache_every_ticket_is_computed(service: Service) -> None:
    bundles(service, A)
    service.run(deployment(A))
    with TestClient(service.app()) as client:
        found: Sequence[Prediction] = [ask(client) for _ in range(3)]
    assert calls(service, A) == 3
    assert len({one.id for one in found}) == 3
    assert samples(service.telemetry)["tickets_cache_misses_total",] == 0
