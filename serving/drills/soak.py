"""A rate held for long, with a kill, a reload and a store that is away inside."""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from os import kill
from pathlib import Path
from signal import SIGKILL

from data.errors import DataError
from evaluation.bench_records import PointFigures, Soak
from evaluation.bench_tables import peak, read_bench
from evaluation.fault_records import Availability, Interruption
from serving.bench.load import HttpLoad
from serving.bench.machine import describe_machine
from serving.bench.measuring import over_http
from serving.bench.plan import Point
from serving.bench.systems.catalogue import OURS, SYSTEMS
from serving.bench.workplace import Workplace
from serving.drills.bundles import own_store, publish, retouched
from serving.drills.client import Steady
from serving.drills.kills import at_risk
from serving.drills.stage import DrillError, Stage

PROMISED = 0.999
"""Share of requests that are answered."""

WORKERS = 2
LOOK_EVERY = 5.0
"""Seconds between two looks at the memory."""

WARM = 10.0
AWAY = 20.0
"""Seconds for which the store is locked."""

STREAM = 998
"""Texts that neither a plan of the benchmark nor its soak has asked."""


def half_of_peak() -> float:
    """Half of the most answers a second that the kept benchmark saw with so many workers.

    Raises
    ------
    DataError
        If no benchmark is kept.
    """
    report = read_bench()
    best = None if report is None else peak(report.of(OURS, WORKERS))
    if best is None:
        raise DataError("no benchmark is kept that tells the peak: say --rate")
    return round(best.requests_per_second / 2, 1)


@dataclass(frozen=True)
class Planned:
    """Something to do to the service at a share of the time."""

    share: float
    what: str
    act: Callable[[], object]


def hold(
    workplace: Workplace,
    rate: float,
    minutes: float,
    say: Callable[[str], None] = lambda line: None,
) -> Availability:
    """Ask at a fixed rate, Poisson arrivals, every text new, and break three things meanwhile.

    Beside that load a client sends a ticket a second with feedback, and its records are looked up
    afterwards.

    Raises
    ------
    BenchError
        If the service does not start, or all of it ends.
    DrillError
        If one of the three cannot be done.
    """
    seconds = 60 * minutes
    stage = Stage(workplace, workplace.fresh("drill-soak"), WORKERS)
    own_store(stage)
    second = retouched(stage.bundles.root / workplace.version, stage.bundles.root)
    killed: list[tuple[float, float]] = []

    def kill_one() -> None:
        lag = at_risk(stage)
        killed.append((time.monotonic(), lag))
        kill(stage.worker_pids()[0], SIGKILL)

    planned = (
        Planned(0.2, "a worker is killed", kill_one),
        Planned(0.4, f"another bundle is published: {second}", lambda: publish(stage, second)),
        Planned(0.6, f"the store is locked for {AWAY:g} s", lambda: _lock(stage)),
    )
    mib: list[tuple[float, float]] = []
    done: list[Interruption] = []
    acts: list[Future[object]] = []
    with closing(stage), ThreadPoolExecutor(1) as pool:
        stage.start()

        def watch() -> None:
            began = time.monotonic()
            left = list(planned)
            while (since := time.monotonic() - began) < seconds:
                if left and since >= left[0].share * seconds:
                    say(f"    {since:.0f} s: {left[0].what}")
                    done.append(Interruption(at_seconds=round(since, 1), what=left[0].what))
                    acts.append(pool.submit(left.pop(0).act))
                mib.append((round(since, 1), round(stage.server.taken().pss_mib, 1)))
                time.sleep(min(LOOK_EVERY, max(0.0, seconds - since)))

        load = HttpLoad(
            texts=workplace.texts, rate=rate, seconds=seconds, warm=WARM, stream=STREAM,
            port=stage.port, path=SYSTEMS[OURS].path,
        )  # fmt: skip
        point = Point(OURS, WORKERS, rate=rate)
        say(f"{rate:g} requests a second for {minutes:g} minutes, {WORKERS} workers")
        with Steady(stage.port, stage.ledger, rate=1.0, clients=1):
            figures: PointFigures = over_http(point, stage.server, load, while_measured=watch)
        for act in acts:
            act.result()
        if (left_out := len(planned) - len(done)) > 0:
            raise DrillError(f"{left_out} of {len(planned)} interruptions did not take place")
        may_lose = {
            id for at, lag in killed for id in stage.ledger.told_between(at - lag, at + 0.1)
        }
        missing = stage.kept.settle(stage.ledger, may_lose, patience=60.0)
        stage.stop()
    failed, answered = figures.failed, figures.answers
    return Availability(
        machine=describe_machine(),
        bundle=workplace.version,
        soak=Soak(point=figures, minutes=minutes, mib=tuple(mib)),
        interruptions=tuple(done),
        records_acknowledged=stage.ledger.acknowledged,
        records_lost=missing.number - len(missing.predictions & may_lose),
        available=answered / (answered + failed) if answered + failed else 0.0,
    )


def _lock(stage: Stage) -> None:
    """Hold the lock that every writer of SQLite needs."""
    file = Path(stage.kept.store.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(AWAY)
        other.execute("ROLLBACK")
