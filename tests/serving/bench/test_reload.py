"""The load script against a server that is a function: it follows the store after some requests."""

import asyncio
import json

import httpx
import pytest

from models.deployment import Deployment
from serving.bench.reload import Report, measure, two_versions
from tests.serving.arm_fakes import A, B, C, deployment


class FakeStore:
    def __init__(self, now: Deployment | None) -> None:
        self.now = now
        self.former: list[Deployment] = []

    def find_deployment(self) -> Deployment | None:
        return self.now

    def deploy(self, wanted: Deployment) -> None:
        if self.now:
            self.former.append(self.now)
        self.now = wanted

    def history(self) -> list[Deployment]:
        return self.former


class FakeServer:
    """Takes up what is published some requests later; every hundredth request fails if told so."""

    def __init__(self, store: FakeStore, failing: bool = False) -> None:
        self.store = store
        self.failing = failing
        self.requests = 0
        self.loaded = 0
        self.serving = A
        self.behind = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if request.url.path == "/metrics":
            return httpx.Response(200, text=self.metrics())
        self.requests += 1
        assert json.loads(request.content)["text"]
        assert self.store.now
        assert self.store.now.champion
        wanted = self.store.now.champion.version
        self.behind = self.behind + 1 if wanted != self.serving else 0
        if self.behind > 20:
            self.serving, self.behind, self.loaded = wanted, 0, self.loaded + 1
        if self.failing and self.requests % 100 == 50:
            return httpx.Response(503)
        if self.failing and self.requests % 100 == 0:
            raise httpx.ConnectError("away")
        return httpx.Response(200, json={"bundle": self.serving})

    def metrics(self) -> str:
        return (
            "# TYPE tickets_resident_bytes gauge\n"
            f"tickets_resident_bytes {2**20 * (100 + self.loaded)}\n"
            "# TYPE tickets_bundle_loading_seconds histogram\n"
            f"tickets_bundle_loading_seconds_sum {self.loaded * 1.5}\n"
            f"tickets_bundle_loading_seconds_count {self.loaded}\n"
        )


def measured(store: FakeStore, server: FakeServer, swaps: int) -> Report:
    async def run() -> Report:
        transport = httpx.MockTransport(server)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await measure(client, store, (A, B), swaps, clients=3, settle=0.05)

    return asyncio.run(run())


def test_swaps_are_timed_and_the_first_deployment_is_put_back() -> None:
    start = deployment(A, {C: 0.1})
    store = FakeStore(start)
    server = FakeServer(store)
    report = measured(store, server, swaps=4)
    assert report.failures == {}
    assert report.answers == server.requests
    assert len(report.first) == len(report.last) == 4
    assert all(0 < last <= first for first, last in zip(report.first, report.last, strict=True))
    assert report.loading == 1.5
    assert report.resident == [2**20 * (100 + i) for i in range(5)]
    assert store.now
    assert store.now.model_copy(update={"published_at": start.published_at}) == start
    assert {one.versions for one in store.former} == {(A, C), (B, C)}
    assert "none" in report.lines()[1]
    assert "100, 101, 102, 103, 104 MiB" in report.lines()[-1]


def test_every_failure_is_counted_by_its_kind() -> None:
    store = FakeStore(deployment(A))
    server = FakeServer(store, failing=True)
    report = measured(store, server, swaps=3)
    assert report.failures == {
        "503": (server.requests + 50) // 100,
        "ConnectError": server.requests // 100,
    }
    assert report.answers == server.requests - sum(report.failures.values())


def test_the_two_versions_are_the_present_and_the_former_champion() -> None:
    store = FakeStore(deployment(A))
    with pytest.raises(ValueError, match="no two champions"):
        two_versions(store)
    store.deploy(deployment(B))
    assert two_versions(store) == (B, A)


def test_an_empty_store_cannot_be_measured() -> None:
    store = FakeStore(None)
    with pytest.raises(ValueError, match="publish a bundle first"):
        measured(store, FakeServer(store), swaps=1)
