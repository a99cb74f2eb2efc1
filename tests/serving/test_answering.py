"""Which bundle answers a request, what the client and the recorder learn, and swaps under load."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from data.schema import Prediction, Ticket
from models.deployment import Deployment
from pipelines.measurements import parse_measured
from serving.answering import Answering
from serving.app import create_app
from serving.arms import Told, assign, is_audited, watching
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.settings import Settings
from serving.shadows import Shadows
from serving.telemetry import Telemetry
from tests.serving.arm_fakes import (
    NOW,
    A,
    B,
    C,
    D,
    NamedAssistant,
    NamedLoader,
    deployment,
    publish,
)
from tests.serving.fakes import MemoryStore
from tests.serving.test_telemetry import samples

SALT = "a salt"


class Service:
    """All parts of one worker around bundles that name themselves."""

    def __init__(self, folder: Path, telemetry: Telemetry) -> None:
        self.store = MemoryStore()
        self.loader = NamedLoader()
        self.telemetry = telemetry
        self.assistants = Assistants(self.store, self.loader, folder, telemetry)
        self.batcher = Batcher(encoder_batch=2, max_waiting=10_000)
        self.recorded: list[Told] = []
        self.shadows = Shadows(
            100, self.assistants.find, lambda: self.batcher.waiting == 0, telemetry, self.record
        )

    def record(self, told: Sequence[Told]) -> None:
        self.recorded += told

    async def keep(self, told: Sequence[Told]) -> None:
        self.record(told)

    def run(self, wanted: Deployment) -> None:
        publish(self.store, wanted)
        self.assistants.refresh()

    def app(self, **settings: object) -> FastAPI:
        chosen = Settings.model_validate({"salt": SALT, **settings})
        return create_app(
            chosen, self.assistants, self.batcher, self.telemetry, self.shadows, self.keep
        )


@pytest.fixture
def service(tmp_path: Path, telemetry: Telemetry) -> Iterator[Service]:
    service = Service(tmp_path, telemetry)
    yield service
    for assistant in service.loader.assistants.values():
        assistant.gate.set()
    service.shadows.close()


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(service.app(audit_share=0.5)) as client:
        yield client


def ask(client: TestClient, text: str = "printer", **more: str) -> Prediction:
    headers = {name.replace("_", "-"): value for name, value in more.items() if name != "id"}
    body = {"text": text} | ({"id": more["id"]} if "id" in more else {})
    response = client.post("/v1/predict", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return Prediction.model_validate(response.json())


def test_a_ticket_is_answered_by_the_arm_its_id_is_drawn_for(
    service: Service, client: TestClient
) -> None:
    wanted = deployment(A, {B: 0.4, C: 0.3})
    service.run(wanted)
    for i in range(30):
        answer = ask(client, id=f"T-{i}")
        drawn = assign(f"T-{i}", wanted, SALT)
        assert (answer.bundle, answer.arm) == (drawn.version, drawn.kind)
        told = service.recorded[-1]
        assert told.prediction == answer
        assert (told.id, told.key, told.propensity) == (answer.id, f"T-{i}", drawn.propensity)
        assert (told.arm, told.explicit, told.beside) == (drawn.kind, False, None)
        assert (told.audit, told.audit_propensity) == (is_audited(told.id, 0.5, SALT), 0.5)
    assert {told.prediction.bundle for told in service.recorded} == {A, B, C}
    assert {told.audit for told in service.recorded} == {True, False}


def test_a_key_of_the_caller_counts_more_than_the_tickets_id(
    service: Service, client: TestClient
) -> None:
    wanted = deployment(A, {B: 0.5})
    service.run(wanted)
    for customer in "stuvwxyz":
        found = {ask(client, id=f"T-{i}", X_Assignment_Key=customer).bundle for i in range(4)}
        assert found == {assign(customer, wanted, SALT).version}


def test_a_ticket_without_id_is_drawn_by_the_id_of_its_answer(
    service: Service, client: TestClient
) -> None:
    wanted = deployment(A, {B: 0.5})
    service.run(wanted)
    for _ in range(20):
        answer = ask(client)
        assert answer.id
        assert answer.bundle == assign(answer.id, wanted, SALT).version
        assert service.recorded[-1].key == answer.id


def test_the_tickets_of_a_batch_are_drawn_one_by_one_and_come_back_in_order(
    service: Service, client: TestClient
) -> None:
    wanted = deployment(A, {B: 0.3, C: 0.3})
    service.run(wanted)
    tickets = [{"id": f"T-{i}", "text": "wifi"} for i in range(25)]
    answers = client.post("/v1/predict/batch", json={"tickets": tickets}).json()["predictions"]
    assert [answer["ticket_id"] for answer in answers] == [ticket["id"] for ticket in tickets]
    assert [answer["bundle"] for answer in answers] == [
        assign(ticket["id"], wanted, SALT).version for ticket in tickets
    ]
    ids = [answer["id"] for answer in answers]
    assert ids == sorted(set(ids))
    assert [told.id for told in service.recorded] == ids


def test_a_caller_may_name_the_arm_and_is_not_audited(service: Service, client: TestClient) -> None:
    service.run(deployment(A, {B: 0.1}))
    for name, version in (("champion", A), (A, A), (B, B)):
        for _ in range(5):
            assert ask(client, X_Arm=name).bundle == version
            told = service.recorded[-1]
            assert (told.explicit, told.propensity) == (True, 1)
            assert (told.audit, told.audit_propensity) == (False, 0)


@pytest.mark.parametrize("name", [C, "nobody", "challenger"])
def test_an_arm_that_does_not_answer_cannot_be_named(
    service: Service, client: TestClient, name: str
) -> None:
    service.run(deployment(A, {B: 0.1}, {C: 1}))
    response = client.post("/v1/predict", json={"text": "a"}, headers={"X-Arm": name})
    assert response.status_code == 422
    assert response.json()["errors"][0]["type"] == "unknown_arm"
    assert name not in response.text
    assert service.recorded == []


def test_an_installation_may_let_nobody_name_the_arm(service: Service) -> None:
    service.run(deployment(A, {B: 0.1}))
    with TestClient(service.app(allow_explicit_arm=False)) as client:
        response = client.post("/v1/predict", json={"text": "a"}, headers={"X-Arm": "champion"})
        assert response.status_code == 422
        assert client.post("/v1/predict", json={"text": "a"}).status_code == 200


@pytest.mark.parametrize("name", ["X-Assignment-Key", "X-Arm"])
def test_a_header_too_long_is_refused(service: Service, client: TestClient, name: str) -> None:
    service.run(deployment(A))
    response = client.post("/v1/predict", json={"text": "a"}, headers={name: "x" * 201})
    assert response.status_code == 422


def test_shadows_see_what_was_answered_and_their_answers_are_recorded_alone(
    service: Service, client: TestClient
) -> None:
    wanted = deployment(A, shadows={B: 1, C: 0.5})
    service.run(wanted)
    answers = [ask(client, id=f"T-{i}") for i in range(20)]
    assert service.shadows.join(10)
    assert {answer.bundle for answer in answers} == {A}
    told = [one for one in service.recorded if one.arm != "shadow"]
    seen = {(one.beside, one.prediction.bundle) for one in service.recorded if one.arm == "shadow"}
    assert seen == {
        (one.id, shadow.version) for one in told for shadow in watching(one.id, wanted, SALT)
    }
    assert {one.propensity for one in service.recorded if one.arm == "shadow"} == {1, 0.5}


def test_a_shadow_that_hangs_holds_up_no_answer(service: Service, client: TestClient) -> None:
    slow = service.loader.assistants[B] = NamedAssistant(B)
    slow.gate.clear()
    service.run(deployment(A, shadows={B: 1}))
    ask(client)
    assert slow.asked.wait(10)
    assert [ask(client).bundle for _ in range(150)] == [A] * 150
    found = samples(service.telemetry)
    # 100 may wait, and the one call took at most 8 of them off the queue.
    assert 150 - 100 - 8 <= found["tickets_shadows_dropped_total", "full"] <= 150 - 100
    assert found["tickets_arm_answers_total", "champion", A] == 151


def test_what_an_arm_costs_is_told_as_experiments_read_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serving counts and pipelines read: the guardrails of an experiment rest on both."""
    breaking = service.loader.assistants[B] = NamedAssistant(B)
    service.run(deployment(A, challengers={B: 0.5}))
    answering = Answering(Settings(), service.assistants, service.batcher, service.telemetry)

    async def answer(arm: str) -> None:
        await answering.answer([Ticket(text="a printer")], arm=arm)

    def fail(*_: object) -> list[Prediction]:
        raise ValueError("too much for it")

    for arm in (A, A, B):
        asyncio.run(answer(arm))
    monkeypatch.setattr(breaking, "predict", fail)
    with pytest.raises(ValueError, match="too much"):
        asyncio.run(answer(B))
    measured = parse_measured(service.telemetry.exposition()[0].decode())
    assert (measured[A].error_rate, measured[B].error_rate) == (0, 0.5)
    assert 0 < (measured[A].p95_ms or 0) < 10_000


def test_a_recorder_that_fails_costs_no_answer(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: Sequence[Told]) -> None:
        raise OSError("secret".upper())

    service.run(deployment(A))
    answering = Answering(
        Settings(), service.assistants, service.batcher, service.telemetry, keep=broken
    )
    [told] = asyncio.run(answering.answer([Ticket(text="a printer")]))
    assert told.prediction.bundle == A
    assert samples(service.telemetry)["tickets_not_recorded_total",] == 1
    assert "answers were not recorded" in caplog.text
    assert "SECRET" not in caplog.text


def test_arms_tell_what_runs_since_when_with_which_traffic(
    service: Service, client: TestClient
) -> None:
    assert client.get("/v1/arms").json()["arms"] == []
    service.loader.refuses[D] = ArithmeticError()
    wanted = deployment(A, {B: 0.25, D: 0.25}, {C: 0.5})
    service.run(wanted)
    for i in range(20):
        ask(client, id=f"T-{i}")
    assert service.shadows.join(10)
    told = client.get("/v1/arms").json()
    versions = [one.prediction.bundle for one in service.recorded]
    moment = NOW.isoformat().replace("+00:00", "Z")
    assert told["published_at"] == moment
    assert told["audit_share"] == 0.5
    assert told["arms"] == [
        {
            "arm": arm,
            "version": v,
            "share": share,
            "since": moment,
            "tickets": versions.count(v),
            "withheld": {},
        }
        for arm, v, share in (("champion", A, 0.75), ("challenger", B, 0.25), ("shadow", C, 0.5))
    ]
    assert told["refused"] == [
        {"arm": "challenger", "version": D, "reason": f"{D} cannot be read: ArithmeticError"}
    ]


def test_a_request_ends_with_the_bundle_it_began_with(service: Service) -> None:
    former = service.loader.assistants[A] = NamedAssistant(A)
    service.run(deployment(A))
    former.gate.clear()
    tickets = {"tickets": [{"text": "a"}] * 7}

    async def scenario() -> tuple[httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.app()), base_url="http://test"
        ) as client:
            begun = asyncio.create_task(client.post("/v1/predict/batch", json=tickets))
            assert await asyncio.to_thread(former.asked.wait, 10)
            service.run(deployment(B))
            later = asyncio.create_task(client.post("/v1/predict", json={"text": "a"}))
            former.gate.set()
            return await begun, await later

    begun, later = asyncio.run(scenario())
    assert {answer["bundle"] for answer in begun.json()["predictions"]} == {A}
    assert later.json()["bundle"] == B
    assert former.calls == [2, 2, 2, 1]


def test_no_request_fails_while_bundles_are_swapped_under_load(service: Service) -> None:
    """Champion and challenger are swapped in pairs, and no answer mixes two of them."""
    swaps, clients = 60, 8
    pairs = [(f"champion-{i:08x}", f"challenger-{i:08x}") for i in range(swaps)]
    service.run(deployment(*named(pairs[0])))
    swapped = threading.Event()
    bodies: list[list[str]] = []

    def swap() -> None:
        for pair, done in zip(pairs, count(1), strict=False):
            service.run(deployment(*named(pair)))
            while len(bodies) < done and not swapped.wait(0.001):
                pass
        swapped.set()

    async def keep_asking(client: httpx.AsyncClient) -> None:
        tickets = {"tickets": [{"text": "wifi"}] * 6}
        try:
            while not swapped.is_set():
                response = await client.post("/v1/predict/batch", json=tickets)
                assert response.status_code == 200, response.text
                bodies.append([answer["bundle"] for answer in response.json()["predictions"]])
        finally:
            swapped.set()

    async def scenario() -> None:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.app()), base_url="http://test"
        ) as client:
            await asyncio.gather(
                asyncio.to_thread(swap), *(keep_asking(client) for _ in range(clients))
            )

    asyncio.run(scenario())
    assert len(bodies) >= swaps
    for versions in bodies:
        assert len({version.rpartition("-")[2] for version in versions}) == 1
    assert len({versions[0].rpartition("-")[2] for versions in bodies}) > swaps / 4
    assert len({version.partition("-")[0] for versions in bodies for version in versions}) == 2
    assert service.assistants.champion.manifest.version == pairs[-1][0]


def named(pair: tuple[str, str]) -> tuple[str, dict[str, float]]:
    return pair[0], {pair[1]: 0.5}


def test_ten_swaps_leave_one_bundle_in_memory(service: Service) -> None:
    alive: list[weakref.ref[NamedAssistant]] = []
    tickets = [Ticket(text="wifi")] * 3
    was_enabled = gc.isenabled()
    gc.disable()  # What is freed is freed by the swap, not by luck.
    try:
        for i in range(11):
            service.run(deployment(f"invented-{i:08x}"))
            serving = service.assistants.champion
            assert isinstance(serving.assistant, NamedAssistant)
            alive.append(weakref.ref(serving.assistant))
            asyncio.run(Batcher().predict(serving.assistant, tickets))
            del serving
            service.assistants.refresh()
    finally:
        if was_enabled:
            gc.enable()
    assert [one() is not None for one in alive] == [False] * 10 + [True]


def test_a_former_bundle_is_freed_when_its_last_request_has_ended(service: Service) -> None:
    service.run(deployment(A))
    held = service.assistants.take()
    former = weakref.ref(held.champion.assistant)
    service.run(deployment(B))
    assert former() is not None
    del held
    service.assistants.refresh()
    assert former() is None
