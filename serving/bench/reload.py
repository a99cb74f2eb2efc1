"""Command: publish two bundles in turn while clients ask, and tell what they noticed of it.

python -m serving.bench.reload http://127.0.0.1:3000 models/published --workers 2 --json swaps.json

The server must follow that store, and no other client should ask meanwhile. The two are the present
and the former champion unless named; at the end the present one answers again. Every request has a
connection of its own, so that it meets any of the workers. Exits with 1 if a request failed.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import httpx
from prometheus_client.parser import text_string_to_metric_families

from data.durable import write_text
from models.deployment import Deployment, former_champion
from models.publishing import open_store

TICKET = {"subject": "Printer", "text": "The printer on the second floor has been down since noon."}
PATIENCE = 120.0
"""Seconds until a bundle published counts as never taken up."""

LOOK_EVERY = 0.1
"""Seconds between two looks at the metrics, and so how late the last worker is noticed at most."""


class Store(Protocol):
    """What is asked of the bundle store."""

    def find_deployment(self) -> Deployment | None: ...

    def deploy(self, deployment: Deployment) -> None: ...

    def history(self) -> list[Deployment]: ...


@dataclass
class Report:
    """What was measured."""

    workers: int = 1
    answers: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Statuses other than 200, or the names of what broke the connection."""
    first: list[float] = field(default_factory=list)
    """Seconds from publishing to the first answer of the new bundle, per swap."""
    everywhere: list[float] = field(default_factory=list)
    """Seconds from publishing until every worker had loaded the new bundle."""
    last: list[float] = field(default_factory=list)
    """Seconds from publishing until no request that began was answered by the former one."""
    loading: float = 0
    """Mean seconds to verify, construct and probe one bundle, inside the above."""
    slowest: float = 0
    """Seconds of the slowest answer."""
    resident: list[float] = field(default_factory=list)
    """Bytes resident in all workers: warmed up, then after every swap."""

    @property
    def growth(self) -> float:
        """Memory after the last swap over that before the first, less 1."""
        return self.resident[-1] / self.resident[0] - 1 if self.resident else 0.0

    def lines(self) -> list[str]:
        """The report in words."""
        failed = ", ".join(f"{n} x {what}" for what, n in self.failures.items()) or "none"
        mib = 2**20
        return [
            f"workers           {self.workers}",
            f"answers           {self.answers}, the slowest after {self.slowest:.2f} s",
            f"failures          {failed}",
            f"swaps             {len(self.first)}",
            f"first answer      {spread(self.first)} after publishing",
            f"every worker      {spread(self.everywhere)} after publishing",
            f"last of the old   {spread(self.last)} after publishing",
            f"of which loading  {self.loading:.2f} s",
            f"memory            {self.growth:+.1%} after the last swap",
            f"resident          {', '.join(f'{size / mib:.0f}' for size in self.resident)} MiB, "
            "before and after each swap",
        ]

    def facts(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {**asdict(self), "growth": self.growth}


def spread(seconds: Sequence[float]) -> str:
    """Median and maximum in words."""
    return f"{median(seconds):.2f} s (at most {max(seconds):.2f})" if seconds else "not measured"


class Clients:
    """Ask without a pause, each its next ticket when the one before is answered."""

    def __init__(self, client: httpx.AsyncClient, report: Report) -> None:
        self.client = client
        self.report = report
        self.published = 0.0
        self.wanted = ""
        self.first: float | None = None
        self.last = 0.0
        self.stop = False

    def expect(self, version: str) -> None:
        """Watch for the answers of a bundle that is being published now."""
        self.published, self.wanted, self.first, self.last = time.monotonic(), version, None, 0.0

    async def ask(self) -> None:
        """Ask until stopped."""
        while not self.stop:
            began = time.monotonic()
            try:
                response = await self.client.post(
                    "/v1/predict",
                    json=TICKET,
                    headers={"X-Arm": "champion", "Connection": "close"},
                )
            except httpx.HTTPError as error:
                self.report.failures[type(error).__name__] += 1
                continue
            now = time.monotonic()
            self.report.slowest = max(self.report.slowest, now - began)
            if response.status_code != 200:
                self.report.failures[str(response.status_code)] += 1
                continue
            self.report.answers += 1
            self.note(response.json()["bundle"], began, now)

    def note(self, version: str, began: float, now: float) -> None:
        """See whether the bundle awaited answers, or still the former one."""
        if began < self.published:
            return
        if version != self.wanted:
            self.last = now - self.published
        elif self.first is None:
            self.first = now - self.published


async def measure(
    client: httpx.AsyncClient,
    store: Store,
    versions: tuple[str, str],
    swaps: int = 10,
    clients: int = 4,
    settle: float = 5.0,
    workers: int = 1,
) -> Report:
    """Swap so many times under load; the first of the versions answers before and after.

    Parameters
    ----------
    settle : seconds to wait after each swap, for the figure of the memory to follow
    workers : of the server; a swap ends when so many have loaded the bundle

    Raises
    ------
    TimeoutError
        If a bundle published is not taken up by every worker; the deployment of the beginning is
        put back.
    """
    start = store.find_deployment()
    if start is None:
        raise ValueError("nothing is published in this store: publish a bundle first")
    report = Report(workers)
    asking = Clients(client, report)
    tasks = [asyncio.create_task(asking.ask()) for _ in range(clients)]
    try:
        await swap(asking, store, start, versions[0], settle, workers)
        loaded = now = await metrics(client)
        report.resident.append(loaded["tickets_resident_bytes"])
        for i in range(swaps):
            everywhere = await swap(asking, store, start, versions[(i + 1) % 2], settle, workers)
            report.first.append(asking.first or 0.0)
            report.everywhere.append(everywhere)
            report.last.append(asking.last)
            now = await metrics(client)
            report.resident.append(now["tickets_resident_bytes"])
        loading = [now[name] - loaded[name] for name in LOADING]
        report.loading = loading[0] / loading[1] if loading[1] else 0.0
    finally:
        asking.stop = True
        await asyncio.gather(*tasks)
        store.deploy(start.model_copy(update={"published_at": datetime.now(UTC)}))
    return report


LOADING = ("tickets_bundle_loading_seconds_sum", "tickets_bundle_loading_seconds_count")


async def swap(
    asking: Clients, store: Store, start: Deployment, version: str, settle: float, workers: int
) -> float:
    """Publish a champion, wait until it answers in every worker; after how many seconds that was.

    A champion that answers already is loaded by nobody: 0.
    """
    champion = getattr(store.find_deployment(), "champion", None)
    if champion is not None and champion.version == version:
        await asyncio.sleep(settle)
        return 0.0
    before = (await metrics(asking.client))[LOADING[1]]
    asking.expect(version)
    store.deploy(start.with_champion(version, datetime.now(UTC)))
    until = asking.published + PATIENCE
    everywhere = None
    while asking.first is None or everywhere is None:
        if time.monotonic() > until:
            raise TimeoutError(
                f"{version} does not answer in all of {workers} workers {PATIENCE:g} s after it "
                "was published"
            )
        loaded = (await metrics(asking.client))[LOADING[1]] - before
        if everywhere is None and loaded >= workers:
            everywhere = time.monotonic() - asking.published
        await asyncio.sleep(LOOK_EVERY)
    await asyncio.sleep(settle)
    return everywhere


async def metrics(client: httpx.AsyncClient) -> Counter[str]:
    """The server's metrics without labels, 0 for those it does not have."""
    text = (await client.get("/metrics")).text
    return Counter(
        {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if not sample.labels
        }
    )


def two_versions(store: Store) -> tuple[str, str]:
    """The present champion and the former one.

    Raises
    ------
    ValueError
        If there are no two.
    """
    now = store.find_deployment()
    former = former_champion([*store.history(), *([now] if now else [])])
    if now is None or now.champion is None or former is None:
        raise ValueError("the store knows no two champions: name two with --versions")
    return now.champion.version, former


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", help="of a running server")
    parser.add_argument("store", help="folder or fsspec URL of the bundle store that it follows")
    parser.add_argument("--versions", nargs=2, help="two published bundles")
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--clients", type=int, default=4, help="that ask at the same time")
    parser.add_argument("--settle", type=float, default=5.0, help="seconds after each swap")
    parser.add_argument("--workers", type=int, default=1, help="TICKETS_WORKERS of the server")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    asked = parser.parse_args()
    store = open_store(asked.store)
    versions = tuple(asked.versions) if asked.versions else two_versions(store)

    async def run() -> Report:
        async with httpx.AsyncClient(base_url=asked.url, timeout=30) as client:
            return await measure(
                client, store, versions, asked.swaps, asked.clients, asked.settle, asked.workers
            )

    report = asyncio.run(run())
    sys.stdout.write("\n".join([*report.lines(), ""]))
    if asked.json is not None:
        write_text(asked.json, json.dumps(report.facts(), indent=1) + "\n")
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
