"""The load script, against a server that is a function and a real one with tiny bundles."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import pytest

from models.deployment import Deployment
from serving.bench import shadows
from serving.bench.shadows import WITH, WITHOUT, Phases, arrivals, main, measure, table
from tests.conftest import Tickets
from tests.serving.arm_fakes import A, B, C, deployment
from tests.serving.test_service import Published, add_small, published, serve, wait_until

__all__ = ["published"]


class FakeStore:
    def __init__(self, now: Deployment | None) -> None:
        self.now = now
        self.former: list[Deployment | None] = []

    def find_deployment(self) -> Deployment | None:
        return self.now

    def deploy(self, wanted: Deployment) -> None:
        self.former.append(self.now)
        self.now = wanted


class FakeServer:
    """Answers at once, slower beside a shadow; every tenth ticket a shadow drops."""

    def __init__(self, store: FakeStore, slower: float = 0.0, failing: bool = False) -> None:
        self.store, self.slower, self.failing = store, slower, failing
        self.asked: Counter[str] = Counter()
        self.looks = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        assert self.store.now
        running = [one.version for one in self.store.now.shadows]
        if request.url.path == "/v1/arms":
            self.looks += 1
            told = running if self.looks % 2 else ["still the former"]
            return httpx.Response(
                200, json={"arms": [{"arm": "shadow", "version": v} for v in told], "refused": []}
            )
        if request.url.path == "/metrics":
            return httpx.Response(200, text=self.metrics())
        condition = WITH if running else WITHOUT
        self.asked[condition] += 1
        if self.failing and self.asked[condition] % 10 == 0:
            return httpx.Response(503)
        if self.failing and self.asked[condition] % 10 == 5:
            raise httpx.ConnectError("away")
        if running:
            self.asked["dropped" if self.asked[WITH] % 10 == 0 else "shown"] += 1
            await asyncio.sleep(self.slower)
        return httpx.Response(200, json={})

    def metrics(self) -> str:
        return (
            "# TYPE tickets_arm_answers counter\n"
            f'tickets_arm_answers_total{{arm="champion",version="{A}"}} 999\n'
            f'tickets_arm_answers_total{{arm="shadow",version="{B}"}} {self.asked["shown"]}\n'
            "# TYPE tickets_shadows_dropped counter\n"
            f'tickets_shadows_dropped_total{{reason="full"}} {self.asked["dropped"]}\n'
        )


def measured(store: FakeStore, server: FakeServer, **options: float) -> Phases:
    async def run() -> Phases:
        transport = httpx.MockTransport(server)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await measure(
                client, store, B, rate=100, seconds=0.4, rounds=2, warm=0.05, **options
            )  # type: ignore[arg-type]

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "PATIENCE", 3.0)
    monkeypatch.setattr(shadows, "LOOK_EVERY", 0.01)


def test_both_conditions_get_the_same_load_and_the_first_deployment_is_put_back() -> None:
    start = deployment(A, {C: 0.1})
    store = FakeStore(start)
    phases = measured(store, FakeServer(store, slower=0.05))
    without, with_shadow = phases[WITHOUT].facts(), phases[WITH].facts()
    expected = sum(len(arrivals(100, 0.4, np.random.default_rng([1, n]))) for n in range(2))
    assert without["answers"] == with_shadow["answers"] == expected
    assert (without["shadow_answers"], without["shadow_dropped"]) == (0, 0)
    assert with_shadow["shadow_answers"] + with_shadow["shadow_dropped"] == expected
    assert with_shadow["shadow_dropped"] > 0
    assert with_shadow["p50_ms"] >= 50
    assert without["p50_ms"] <= without["p95_ms"] <= without["p99_ms"] <= without["max_ms"]
    assert store.now is not None
    assert store.now.model_copy(update={"published_at": start.published_at}) == start
    order = [bool(one.shadows) for one in store.former[1:] if one]
    assert order == [False, True, True, False], "turned round, so that drift harms both alike"
    assert "with shadow" in "\n".join(table(phases))
    assert table(phases)[-1] == "failures    none"


def test_latency_counts_from_the_appointed_time() -> None:
    store = FakeStore(deployment(A))
    busy = FakeServer(store)

    async def stuck(request: httpx.Request) -> httpx.Response:
        answer = await busy(request)
        if request.url.path == "/v1/predict" and busy.asked[WITHOUT] == 15:
            # The whole loop stands still, as a server does that answers nobody.
            import time

            time.sleep(0.2)
        return answer

    async def run() -> Phases:
        transport = httpx.MockTransport(stuck)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await measure(client, store, B, rate=100, seconds=0.4, rounds=1, warm=0.05)

    late = [one for one in asyncio.run(run())[WITHOUT].seconds if one > 0.05]
    assert len(late) > 5, "those that should have left meanwhile waited too"


def test_every_failure_is_counted_by_its_kind() -> None:
    store = FakeStore(deployment(A))
    phases = measured(store, FakeServer(store, failing=True))
    failures = phases[WITHOUT].failures
    assert set(failures) == {"503", "ConnectError"}
    assert "503" in table(phases)[-1]
    assert phases[WITHOUT].facts()["failures"] == dict(failures)


def test_a_shadow_that_never_runs_is_told_and_the_deployment_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "PATIENCE", 0.1)
    start = deployment(A)
    store = FakeStore(start)

    async def server(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"arms": [], "refused": [{"reason": "altered"}]},
                              text=None)  # fmt: skip

    async def run() -> None:
        transport = httpx.MockTransport(server)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await shadows._until_running(client, B, running=True)

    with pytest.raises(TimeoutError, match="altered"):
        asyncio.run(run())
    assert store.now is start


def test_an_empty_store_cannot_be_measured_and_nothing_answered_has_no_latency() -> None:
    store = FakeStore(None)
    with pytest.raises(ValueError, match="publish a bundle first"):
        measured(store, FakeServer(store))
    assert shadows.Phase().facts()["p50_ms"] is None
    assert arrivals(0.001, 0.001, np.random.default_rng(1)) == [0.0]


def test_a_real_server_is_measured_over_http(
    published: Published,
    tickets: Tickets,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shadows, "PATIENCE", 60.0)
    published.deploy()
    other = add_small(published.store, tickets, tmp_path / "other", 1_000)
    with serve(published.store, tmp_path) as server:
        wait_until(lambda: server.status("/readyz") == 200)
        asked = [
            "shadows", server.url, str(published.store.root), "--shadow", other.version,
            "--rate", "8", "--seconds", "1.5", "--rounds", "1", "--json", str(tmp_path / "a.json"),
        ]  # fmt: skip
        monkeypatch.setattr(sys, "argv", asked)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0, capsys.readouterr().out
        facts = json.loads((tmp_path / "a.json").read_text())
        for name in ("without", "with_shadow"):
            assert facts[name]["failures"] == {}
            assert 0 < facts[name]["p50_ms"] <= facts[name]["p95_ms"]
        assert facts["without"]["shadow_answers"] == 0
        shown = facts["with_shadow"]["shadow_answers"] + facts["with_shadow"]["shadow_dropped"]
        assert shown == facts["with_shadow"]["answers"] > 0
        assert "p95 ms" in capsys.readouterr().out
        # What the shadow answered stands beside what was told.
        wait_until(lambda: server.ask("GET", "/v1/predictions?arm=shadow").json()["predictions"])
        (one, *_) = server.ask("GET", "/v1/predictions?arm=shadow").json()["predictions"]
        assert server.status(f"/v1/predictions/{one['beside']}") == 200
