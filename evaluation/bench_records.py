"""What a benchmark of serving keeps: the records that its tables and figures are made of."""

from typing import Literal

import numpy as np
from pydantic import Field

from data.schema import Detail, NonEmpty, Record


class Machine(Record):
    """Where it was measured; a figure without its processor says little."""

    processor: NonEmpty
    cores: int = Field(ge=1, description="that this process may use")
    instructions: tuple[str, ...] = Field(description="of those that matter to matrices")
    memory_mib: int = Field(ge=0)
    system: NonEmpty = Field(description="kernel and its release")


class Texts(Record):
    """Which tickets were asked about."""

    dataset: NonEmpty
    split: NonEmpty
    tickets: int = Field(ge=1)
    characters_p50: int
    characters_p90: int
    characters_max: int


class SystemFacts(Record):
    """What is known of one system before it is put under load."""

    name: NonEmpty
    title: NonEmpty
    tells: NonEmpty = Field(description="what one of its answers holds")
    workers: int = Field(ge=1)
    ready_seconds: float | None = Field(
        description="from starting the process to /readyz 200; null: it is no server"
    )
    same_decisions: float | None = Field(
        description="share of tickets with the label and decision that ours gives; only the label "
        "where the system decides nothing; null: not asked"
    )
    compared: int = Field(default=0, ge=0, description="tickets behind `same_decisions`")


class PointFigures(Record):
    """One system under one load; times are milliseconds."""

    system: NonEmpty
    workers: int = Field(ge=1)
    clients: int | None = Field(description="of a closed loop, each with one request at a time")
    rate: float | None = Field(description="of an open loop: requests a second, Poisson arrivals")
    repeated: bool = Field(description="few texts asked again and again; else each is new")
    seconds: float = Field(gt=0, description="measured, the warm-up left out")
    answers: int = Field(ge=0)
    failures: dict[str, int] = Field(description="status, or what broke the connection -> count")
    requests_per_second: float = Field(ge=0)
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    late_p99_ms: float | None = Field(
        default=None, description="of an open loop: how late the generator sent"
    )
    pss_mib: float = Field(description="memory of all processes, shared pages divided")
    worker_mib: float = Field(description="resident memory of the largest process")
    server_cpu_ms: float = Field(description="processor time of all its processes per answer")
    generator_cpu_ms: float = Field(description="processor time of the load generator per answer")
    measured_at: NonEmpty

    @property
    def failed(self) -> int:
        """Requests that got no answer with status 200."""
        return sum(self.failures.values())


class ColdStart(Record):
    """Seconds from starting the process to /readyz 200, its files in the page cache."""

    workers: int
    seconds: tuple[float, ...] = Field(min_length=1)


class BulkFigures(Record):
    """A file scored by `python -m pipelines.score`."""

    rows: int = Field(ge=1)
    seconds: float = Field(gt=0, description="of the whole command, loading included")
    peak_mib: float = Field(ge=0, description="resident, of all its processes")
    detail: Detail = "full"
    precision: Literal["same", "fast"] = "same"


class Soak(Record):
    """One fixed rate held for minutes."""

    point: PointFigures
    minutes: float = Field(gt=0)
    mib: tuple[tuple[float, float], ...] = Field(description="seconds since its begin, memory")

    @property
    def mib_per_hour(self) -> float | None:
        """Slope of the memory by least squares over the second half; None for fewer than 3 looks.

        The first half is left out: caches and pools fill then.
        """
        half = self.mib[len(self.mib) // 2 :]
        if len(half) < 3:
            return None
        seconds, mib = np.array(half).T
        return float(np.polyfit(seconds / 3600, mib, 1)[0])


Profile = Literal["full", "quick"]


class BenchReport(Record):
    """All of one benchmark: what `evaluation/reports/bench.json` holds."""

    profile: Profile
    machine: Machine
    bundle: NonEmpty = Field(description="version that every system answers from")
    texts: Texts
    libraries: dict[str, str]
    generator: NonEmpty
    seed: int
    systems: tuple[SystemFacts, ...] = ()
    points: tuple[PointFigures, ...] = ()
    cold_starts: tuple[ColdStart, ...] = ()
    bulk: tuple[BulkFigures, ...] = ()
    soak: Soak | None = None

    def of(self, system: str, workers: int) -> tuple[PointFigures, ...]:
        """The points of one system with so many workers, each text new."""
        return tuple(
            point
            for point in self.points
            if (point.system, point.workers, point.repeated) == (system, workers, False)
        )
