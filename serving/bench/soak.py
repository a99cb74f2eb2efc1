"""One rate held for minutes: does it stay as fast and as small as it began?"""

import time

from evaluation.bench_records import Soak
from serving.bench.load import HttpLoad
from serving.bench.measuring import over_http
from serving.bench.plan import Point
from serving.bench.starting import started
from serving.bench.systems.catalogue import OURS, SYSTEMS
from serving.bench.workplace import Workplace

LOOK_EVERY = 10.0
"""Seconds between two looks at the memory."""

WARM = 10.0
STREAM = 999
"""Texts that no point of a plan has asked."""


def hold(
    workplace: Workplace,
    rate: float,
    minutes: float,
    workers: int,
    seed: int = 1,
    name: str = OURS,
) -> Soak:
    """Ask our service at a fixed rate, Poisson arrivals, every text new.

    Parameters
    ----------
    name : with which settings, see `systems.catalogue`

    Raises
    ------
    BenchError
        If it does not start or ends under load.
    """
    system, seconds = SYSTEMS[name], 60 * minutes
    mib: list[tuple[float, float]] = []
    with started(workplace, system, workers) as server:

        def look() -> None:
            began = time.monotonic()
            while (since := time.monotonic() - began) < seconds:
                mib.append((round(since, 1), round(server.taken().pss_mib, 1)))
                time.sleep(min(LOOK_EVERY, max(0.0, seconds - since)))

        load = HttpLoad(
            texts=workplace.texts, rate=rate, seconds=seconds, warm=WARM, seed=seed, stream=STREAM,
            port=server.port, path=system.path,
        )  # fmt: skip
        point = over_http(Point(name, workers, rate=rate), server, load, while_measured=look)
    return Soak(point=point, minutes=minutes, mib=tuple(mib))
