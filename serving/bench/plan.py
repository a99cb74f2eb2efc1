"""Which systems are put under which loads, and how long that takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.bench_records import Profile
from serving.bench.systems.catalogue import (
    BENTO,
    IN_PROCESS,
    OURS,
    OURS_CACHED,
    OURS_CAPITALS,
    OURS_DECISION,
    OURS_FAST,
    STOCK,
    STOCK_FULL,
    SYSTEMS,
    TFIDF,
)

STARTING = 12.0
"""Seconds that a system takes to start, be compared and end; for the time left."""


@dataclass(frozen=True)
class Point:
    """One system with so many workers under one load."""

    system: str
    workers: int
    clients: int | None = None
    rate: float | None = None
    repeated: bool = False

    def __str__(self) -> str:
        load = f"{self.clients} clients" if self.rate is None else f"{self.rate:g} a second"
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{self.system}, {workers}, {load}{', repeated texts' if self.repeated else ''}"


@dataclass(frozen=True)
class Plan:
    """All that one profile measures.

    Attributes
    ----------
    seconds, warm : of each point
    starts : cold starts of ours, beside the one before its points
    bulk_rows : rows scored as a file; None: all there are
    compared : tickets whose decisions are compared
    opened : the systems that are put under open loops as well; None: all servers
    """

    profile: Profile
    systems: tuple[tuple[str, int], ...]
    clients: tuple[int, ...]
    rates: tuple[float, ...]
    seconds: float
    warm: float
    starts: int
    bulk_rows: int | None
    compared: int
    opened: tuple[str, ...] | None = None

    def points(self, system: str, workers: int) -> list[Point]:
        """The loads of one system; closed loops first, they find what it can take.

        Of the cache, only what it changes: what it costs where no text comes again, and what it
        brings where the same ones do. Ours without it has both points as well.
        """
        if system == OURS_CACHED:
            most = self.clients[-1]
            return [Point(system, workers, most), Point(system, workers, most, repeated=True)]
        found = [Point(system, workers, clients=n) for n in self.clients]
        if SYSTEMS[system].start is None:
            return found
        if self.opened is None or system in self.opened:
            found += [Point(system, workers, rate=rate) for rate in self.rates]
        if system == OURS:
            found.append(Point(system, workers, clients=self.clients[-1], repeated=True))
        return found

    def all_points(self) -> list[Point]:
        """Every load, in the order of measurement."""
        return [point for system in self.systems for point in self.points(*system)]

    def seconds_of(self, points: Sequence[Point]) -> float:
        """About how long these take, starting their systems included."""
        systems = {(point.system, point.workers) for point in points}
        return len(points) * (self.seconds + self.warm + 1) + len(systems) * STARTING


FULL = Plan(
    profile="full",
    systems=(
        (OURS, 1), (OURS, 2), (OURS_FAST, 1), (OURS_FAST, 2), (OURS_DECISION, 2),
        (OURS_CACHED, 2), (OURS_CAPITALS, 2), (STOCK, 1), (STOCK, 2), (STOCK_FULL, 2),
        (BENTO, 2), (TFIDF, 2), (IN_PROCESS, 1), (IN_PROCESS, 2),
    ),
    clients=(1, 8, 32, 64),
    rates=(50.0, 100.0, 167.0),  # 167 a second are ten thousand a minute
    seconds=12.0,
    warm=3.0,
    starts=3,
    bulk_rows=None,
    compared=500,
    opened=(OURS, OURS_FAST, OURS_DECISION),
)  # fmt: skip

QUICK = Plan(
    profile="quick",
    systems=(
        (OURS, 1), (OURS_DECISION, 1), (OURS_CACHED, 1), (STOCK, 1), (BENTO, 1), (TFIDF, 1),
        (IN_PROCESS, 1),
    ),
    clients=(1, 8, 32),
    rates=(20.0,),
    seconds=3.0,
    warm=1.0,
    starts=0,
    bulk_rows=1_000,
    compared=100,
)  # fmt: skip

PLANS = {plan.profile: plan for plan in (FULL, QUICK)}
