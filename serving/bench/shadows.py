"""Command: ask at a fixed rate without a shadow and with one, in turn; tell what that costs.

python -m serving.bench.shadows http://127.0.0.1:3000 models/published --shadow VERSION --rate 5

The server must follow that store, and no other client should ask meanwhile. Requests leave at their
appointed time whether others were answered or not (an open loop), and latency counts from that
time, so that a server that falls behind is not asked less. At the end the first deployment stands
again. Exits with 1 if a request failed.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from models.deployment import Deployment
from models.publishing import open_store
from serving.bench.load import arrivals

TICKET = {"subject": "Printer", "text": "The printer on the second floor has been down since noon."}
PATIENCE = 120.0
"""Seconds until what is published counts as never taken up, or the shadow as never ready."""
LOOK_EVERY = 0.1
WITHOUT, WITH = "without", "with shadow"


class Store(Protocol):
    """What is asked of the bundle store."""

    def find_deployment(self) -> Deployment | None: ...

    def deploy(self, deployment: Deployment) -> None: ...


@dataclass
class Phase:
    """All requests under one condition."""

    seconds: list[float] = field(default_factory=list)
    """From the appointed time to the answer, of those answered with 200."""
    failures: Counter[str] = field(default_factory=Counter)
    shown: int = 0
    """Tickets the shadow answered."""
    dropped: int = 0
    """Tickets the shadow was not shown after all."""

    def facts(self) -> dict[str, Any]:
        """Figures for JSON; latencies in milliseconds, null where nothing was answered."""
        told: dict[str, float | None] = dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "max_ms"))
        if self.seconds:
            found = np.percentile(self.seconds, [50, 95, 99, 100], method="inverted_cdf")
            told = {
                name: round(1000 * float(value), 2) for name, value in zip(told, found, strict=True)
            }
        return {
            "answers": len(self.seconds),
            "failures": dict(self.failures),
            "shadow_answers": self.shown,
            "shadow_dropped": self.dropped,
            **told,
        }


Phases = dict[str, Phase]


async def measure(
    client: httpx.AsyncClient,
    store: Store,
    shadow: str,
    rate: float,
    seconds: float = 20.0,
    rounds: int = 3,
    seed: int = 1,
    warm: float = 2.0,
) -> Phases:
    """Both conditions in turn, each the same load: arrivals of a Poisson process, drawn by seed.

    Parameters
    ----------
    shadow : version of a published bundle that does not answer
    rate : requests a second
    seconds : of one condition in one round
    warm : seconds of the load before each that nobody measures

    Raises
    ------
    TimeoutError
        If a deployment is not taken up; that of the beginning is put back.
    ModelError
        If `shadow` is the champion.
    """
    start = store.find_deployment()
    if start is None or start.champion is None:
        raise ValueError("nothing is published in this store: publish a bundle first")
    now = datetime.now(UTC)
    without = start.model_copy(update={"shadows": (), "published_at": now})
    conditions = {WITHOUT: without, WITH: without.with_shadow(shadow, 1.0, now)}
    phases = {name: Phase() for name in conditions}
    try:
        for number in range(rounds):
            load = arrivals(rate, seconds, np.random.default_rng([seed, number]))
            # Turned round every time, so that a machine that slows down harms both alike.
            for name in list(conditions)[:: -1 if number % 2 else 1]:
                store.deploy(conditions[name].model_copy(update={"published_at": _now()}))
                await _until_running(client, shadow, running=name == WITH)
                await _warm_up(client, rate, warm, shown=name == WITH)
                before = await _counts(client)
                await _ask(client, load, phases[name])
                after = await _until_quiet(client, before, len(load) if name == WITH else 0)
                phases[name].shown += after["answered"] - before["answered"]
                phases[name].dropped += after["dropped"] - before["dropped"]
    finally:
        store.deploy(start.model_copy(update={"published_at": _now()}))
    return phases


async def _ask(client: httpx.AsyncClient, load: Sequence[float], phase: Phase) -> None:
    """Send every request at its moment."""
    began = time.monotonic()

    async def one(moment: float) -> None:
        await asyncio.sleep(began + moment - time.monotonic())
        try:
            response = await client.post("/v1/predict", json=TICKET, headers={"X-Arm": "champion"})
        except httpx.HTTPError as error:
            phase.failures[type(error).__name__] += 1
            return
        if response.status_code == 200:
            phase.seconds.append(time.monotonic() - began - moment)
        else:
            phase.failures[str(response.status_code)] += 1

    await asyncio.gather(*(one(moment) for moment in load))


async def _warm_up(client: httpx.AsyncClient, rate: float, seconds: float, *, shown: bool) -> None:
    before, load = await _counts(client), [i / rate for i in range(int(seconds * rate) + 1)]
    await _ask(client, load, Phase())
    await _until_quiet(client, before, len(load) if shown else 0)


async def _until_running(client: httpx.AsyncClient, version: str, *, running: bool) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        arms = (await client.get("/v1/arms")).json()
        shadows = [arm["version"] for arm in arms["arms"] if arm["arm"] == "shadow"]
        if shadows == ([version] if running else []):
            return
        if time.monotonic() > until:
            refused = "; ".join(arm["reason"] for arm in arms["refused"]) or "no reason told"
            raise TimeoutError(f"the shadows published do not run after {PATIENCE:g} s: {refused}")
        await asyncio.sleep(LOOK_EVERY)


async def _until_quiet(
    client: httpx.AsyncClient, before: dict[str, int], expected: int
) -> dict[str, int]:
    """The counts once the shadow is through with what it was shown, or gains no more."""
    last, changed = await _counts(client), time.monotonic()
    while sum(last.values()) - sum(before.values()) < expected:
        await asyncio.sleep(LOOK_EVERY)
        found = await _counts(client)
        if found != last:
            last, changed = found, time.monotonic()
        elif time.monotonic() - changed > PATIENCE / 10:
            break
    return last


async def _counts(client: httpx.AsyncClient) -> dict[str, int]:
    """Tickets that shadows answered and that they dropped, of all workers."""
    text = (await client.get("/metrics")).text
    found = Counter[str]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == ANSWERS and sample.labels.get("arm") == "shadow":
                found["answered"] += int(sample.value)
            if sample.name == DROPPED:
                found["dropped"] += int(sample.value)
    return {name: found[name] for name in ("answered", "dropped")}


ANSWERS, DROPPED = "tickets_arm_answers_total", "tickets_shadows_dropped_total"


def _now() -> datetime:
    return datetime.now(UTC)


def table(phases: Phases) -> list[str]:
    """The figures in words, a condition a line."""
    names = ("answers", "p50_ms", "p95_ms", "p99_ms", "max_ms", "shadow_answers", "shadow_dropped")
    lines = [f"{'':12}" + "".join(f"{name.replace('_ms', ' ms'):>16}" for name in names)]
    for condition, phase in phases.items():
        facts = phase.facts()
        lines.append(f"{condition:12}" + "".join(f"{facts[name]!s:>16}" for name in names))
    failed = sum((phase.failures for phase in phases.values()), Counter[str]())
    told = ", ".join(f"{n} x {what}" for what, n in failed.items()) or "none"
    return [*lines, f"failures    {told}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", help="of a running server")
    parser.add_argument("store", help="folder or fsspec URL of the bundle store that it follows")
    parser.add_argument("--shadow", required=True, help="a published bundle that does not answer")
    parser.add_argument("--rate", type=float, default=5.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each half of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the figures")
    asked = parser.parse_args()

    async def run() -> Phases:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        async with httpx.AsyncClient(base_url=asked.url, timeout=30, limits=limits) as client:
            return await measure(
                client, open_store(asked.store), asked.shadow, asked.rate, asked.seconds,
                asked.rounds, asked.seed,
            )  # fmt: skip

    phases = asyncio.run(run())
    facts = {
        "rate": asked.rate,
        "seconds": asked.seconds * asked.rounds,
        **{name.replace(" ", "_"): phase.facts() for name, phase in phases.items()},
    }
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join([*table(phases), ""]))
    sys.exit(1 if any(phase.failures for phase in phases.values()) else 0)


if __name__ == "__main__":
    main()
