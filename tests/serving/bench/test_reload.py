"""The load script against a server that is a function: it follows the store after some requests."""

import asyncio
import json

import httpx
import pytest

from models.deployment import Deployment
from serving.bench import reload
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
    """Takes up what is published some requests later; every hundredth request fails if told so.

    Its workers are asked in turn, and each follows by itself.
    """

    def __init__(self, store: FakeStore, failing: bool = False, workers: int = 1) -> None:
        self.store = store
        self.failing = failing
        self.requests = 0
        self.loaded = 0
        self.serving = [A] * workers
        self.behind = [0] * workers

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if request.url.path == "/metrics":
            return httpx.Response(200, text=self.metrics())
        self.requests += 1
        assert json.loads(request.content)["text"]
        assert self.store.now
        assert self.store.now.champion
        assert request.headers["connection"] == "close"
        wanted = self.store.now.champion.version
        worker = self.requests % len(self.serving)
        self.behind[worker] += 1
        if wanted == self.serving[worker]:
            self.behind[worker] = 0
        elif self.behind[worker] > 20 * (1 + worker):
            self.serving[worker], self.behind[worker] = wanted, 0
            self.loaded += 1
        if self.failing and self.requests % 100 == 50:
            return httpx.Response(503)
        if self.failing and self.requests % 100 == 0:
            raise httpx.ConnectError("away")
        return httpx.Response(200, json={"bundle": self.serving[worker]})

    def metrics(self) -> str:
        return (
            "# TYPE tickets_resident_bytes gauge\n"
            f"tickets_resident_bytes {2**20 * (100 + self.loaded)}\n"
            "# TYPE tickets_bundle_loading_seconds histogram\n"
            f"tickets_bundle_loading_seconds_sum {self.loaded * 1.5}\n"
            f"tickets_bundle_loading_seconds_count {self.loaded}\n"
        )


def measured(store: FakeStore, server: FakeServer, swaps: int, workers: int = 1) -> Report:
    async def run() -> Report:
        transport = httpx.MockTransport(server)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await measure(
                client, store, (A, B), swaps, clients=3, settle=0.05, workers=workers
            )

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
    assert all(
        0 < first <= told for first, told in zip(report.first, report.everywhere, strict=True)
    )
    assert report.loading == 1.5
    assert report.resident == [2**20 * (100 + i) for i in range(5)]
    assert store.now
    assert store.now.model_copy(update={"published_at": start.published_at}) == start
    assert {one.versions for one in store.former} == {(A, C), (B, C)}
    assert report.growth == pytest.approx(0.04)
    assert "none" in report.lines()[2]
    assert json.loads(json.dumps(report.facts()))["growth"] == report.growth
    assert "100, 101, 102, 103, 104 MiB" in report.lines()[-1]


def test_a_swap_ends_when_the_last_worker_has_followed() -> None:
    store = FakeStore(deployment(A))
    server = FakeServer(store, workers=3)
    report = measured(store, server, swaps=2, workers=3)
    assert server.serving == [A] * 3
    assert server.loaded == 3 * 2
    for first, last, everywhere in zip(report.first, report.last, report.everywhere, strict=True):
        assert first < last
        assert first < everywhere
    assert report.lines()[0].endswith(" 3")


def test_a_worker_that_never_follows_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "PATIENCE", 0.5)
    store = FakeStore(deployment(A))
    with pytest.raises(TimeoutError, match="all of 2 workers"):
        measured(store, FakeServer(store), swaps=1, workers=2)
    assert store.now
    assert store.now.champion == deployment(A).champion


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
