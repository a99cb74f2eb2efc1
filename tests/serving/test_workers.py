"""Two workers behind one port: each follows the store, and together they do everything once."""

import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.deployment import Arm, Deployment
from models.publishing import FolderStore
from serving.bench import reload
from serving.spool import OPEN, REFUSED, SEALED, TORN
from tests.conftest import Tickets
from tests.serving.test_service import Server, add_small, serve, wait_until

WORKERS = 2
TICKET = {"text": "the login page is down"}


@dataclass(frozen=True)
class Live:
    """A server of two workers, the store it follows and the two bundles in there."""

    server: Server
    store: FolderStore
    first: str
    second: str
    kept: Path
    """What the store of answers is made of: a folder stands in its place, so it is down."""

    def deploy(self, version: str) -> None:
        champion = Arm(version=version)
        self.store.deploy(Deployment(champion=champion, published_at=datetime.now(UTC)))

    def metric(self, name: str) -> float:
        """A metric without labels, over both workers."""
        text = self.server.ask("GET", "/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        )

    def logged(self, pattern: str) -> list[str]:
        return re.findall(pattern, self.server.log.read_text())


@pytest.fixture(scope="module")
def live(tickets: Tickets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("workers")
    store = FolderStore(folder / "store")
    first, second = (
        add_small(store, tickets, folder / str(features), features).version
        for features in (1_000, 2_000)
    )
    kept = folder / "kept.db"
    kept.mkdir()
    champion = Arm(version=first)
    store.deploy(Deployment(champion=champion, published_at=datetime.now(UTC)))
    settings = {"store": f"sqlite:///{kept}", "workers": str(WORKERS), "spool_seconds": "0.2"}
    with serve(store, folder, **settings) as server:
        live = Live(server, store, first, second, kept)
        wait_until(lambda: live.metric("tickets_bundle_loading_seconds_count") == WORKERS)
        yield live


@dataclass
class Asked:
    """What clients were told while they asked without a pause."""

    statuses: Counter[int] = field(default_factory=Counter)
    told: list[tuple[float, str]] = field(default_factory=list)
    """When each request began, and the bundle that answered it."""


@contextmanager
def asking(live: Live, clients: int = 3) -> Iterator[Asked]:
    """Clients with a new connection for every request, so that they meet both workers."""
    asked, stop = Asked(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            began = time.monotonic()
            answer = live.server.ask("POST", "/v1/predict", json=TICKET)
            asked.statuses[answer.status_code] += 1
            asked.told.append((began, answer.json().get("bundle")))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_every_worker_follows_the_store_and_no_request_is_lost(live: Live) -> None:
    before = live.metric("tickets_bundle_reload_seconds_count")
    with asking(live) as asked:
        wait_until(lambda: len(asked.told) > 20)
        live.deploy(live.second)
        wait_until(lambda: live.metric("tickets_bundle_reload_seconds_count") - before == WORKERS)
        followed = time.monotonic() + 0.1  # a worker says so just before it swaps
        after = len(asked.told)
        wait_until(lambda: len(asked.told) > after + 40)
    assert asked.statuses.keys() == {200}
    assert asked.told[0][1] == live.first
    assert {version for began, version in asked.told if began > followed} == {live.second}
    assert len(set(live.logged(rf"pid=(\d+) {live.second} serves as champion"))) == WORKERS


def test_the_reload_is_measured_in_all_workers(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "swaps.json"
    monkeypatch.setattr(
        sys, "argv",
        ["reload", live.server.url, str(live.store.root), "--versions", live.second, live.first,
         "--swaps", "2", "--clients", "2",
         "--settle", "0.5", "--workers", str(WORKERS), "--json", str(figures)],
    )  # fmt: skip
    with pytest.raises(SystemExit, match="0"):
        reload.main()
    told = json.loads(figures.read_text())
    assert told["failures"] == {}
    assert len(told["first"]) == len(told["everywhere"]) == 2
    assert len(told["resident"]) == 3
    assert "failures          none" in capsys.readouterr().out


def test_each_job_is_worked_through_by_one_worker_and_once(live: Live) -> None:
    before = live.metric("tickets_encoder_call_tickets_sum")
    header = {"content-type": "application/x-ndjson"}
    jobs = []
    for number in range(6):
        tickets = [{"id": f"{number}-{line}", **TICKET} for line in range(40)]
        lines = "\n".join(map(json.dumps, tickets)) + "\n"
        answer = live.server.ask("POST", "/v1/jobs", content=lines, headers=header)
        jobs.append(answer.json()["id"])
    for number, job in enumerate(jobs):
        path = f"/v1/jobs/{job}"
        wait_until(lambda path=path: live.server.ask("GET", path).json()["state"] == "done")
        told = live.server.ask("GET", f"{path}/result").text.splitlines()
        ids = [json.loads(line)["prediction"]["ticket_id"] for line in told]
        assert ids == [f"{number}-{line}" for line in range(40)]
        assert len(live.logged(f"job {job} is done")) == 1
    assert live.metric("tickets_encoder_call_tickets_sum") - before == 6 * 40


def test_what_waits_on_disk_is_handed_over_once_when_the_store_comes_back(live: Live) -> None:
    answers = [live.server.ask("POST", "/v1/predict", json=TICKET).json() for _ in range(6)]
    target = next(iter(answers[0]["targets"]))
    for number, answer in enumerate(answers):
        said = {"key": f"k{number}", "prediction_id": answer["id"], "target": target}
        kept = live.server.ask("POST", "/v1/feedback", json={**said, "verdict": "confirm"}).json()
        assert kept["feedback"][0]["kept"] == "spooled"
    live.kept.rmdir()

    def found(number: int) -> list[str]:
        answer = live.server.ask("GET", f"/v1/predictions/{answers[number]['id']}")
        return [one["key"] for one in answer.json().get("feedback", [])]

    wait_until(lambda: all(found(number) == [f"k{number}"] for number in range(6)))
    handed = live.logged(r"handed (\d+) spooled feedback records")
    assert sum(map(int, handed)) == 6
    left = [path.suffix for path in (live.kept.parent / "spool").iterdir()]
    assert not {OPEN, SEALED, TORN, REFUSED} & set(left)
