"""Start a system of the catalogue in a workplace."""

from collections.abc import Iterator
from contextlib import contextmanager

from evaluation.bench_records import ColdStart
from serving.bench.processes import Server, free_port, serving
from serving.bench.systems.catalogue import OURS, SYSTEMS, System, environment
from serving.bench.workplace import Workplace


@contextmanager
def started(workplace: Workplace, system: System, workers: int) -> Iterator[Server]:
    """A system that is ready; it is ended afterwards. Its log stays in the workplace.

    Raises
    ------
    BenchError
        If it does not get ready.
    ValueError
        If it is no server.
    """
    if system.start is None:
        raise ValueError(f"{system.name} is no server")
    folder, port = workplace.fresh(f"{system.name}-{workers}"), free_port()
    told = environment(system, workers, workplace.store, workplace.bundle, folder)
    with serving(system.start(port, workers), port, told, folder) as server:
        yield server


def start_cold(workplace: Workplace, workers: int, times: int) -> ColdStart:
    """How long our service takes to get ready, several times over.

    Its files are in the page cache after the first; a machine that just booted takes longer.
    """
    seconds = []
    for _ in range(times):
        with started(workplace, SYSTEMS[OURS], workers) as server:
            seconds.append(round(server.ready_seconds, 2))
    return ColdStart(workers=workers, seconds=tuple(seconds))
