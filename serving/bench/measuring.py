"""Put one load on one system and make figures of what came back."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from evaluation.bench_records import PointFigures
from serving.bench.load import HttpLoad, Load, Outcome
from serving.bench.plan import Point
from serving.bench.processes import ROOT, BenchError, Server, Taken, end, taken

GENERATOR = (sys.executable, "-m", "serving.bench.generator")
IN_PROCESS = (sys.executable, "-m", "serving.bench.systems.in_process")


def over_http(
    point: Point, server: Server, load: HttpLoad, while_measured: Callable[[], None] | None = None
) -> PointFigures:
    """Figures of a server under a load that another process sends.

    Parameters
    ----------
    while_measured : called when the measurement has begun; it may take as long as that
    """
    generator = _started(GENERATOR, {})
    try:
        _write(generator, load.model_dump_json())
        _expect(generator, "begin")
        before = server.taken()
        if while_measured is not None:
            while_measured()
        outcome = _outcome(generator)
    finally:
        end(generator)
    after = server.taken()
    if server.process.poll() is not None:
        raise BenchError(f"the system ended under load; see {server.log}")
    return figures(point, outcome, after, after.cpu_seconds - before.cpu_seconds)


def in_process(point: Point, loads: Sequence[Load], environment: Mapping[str, str]) -> PointFigures:
    """Figures of the runtime alone, in one process per load, all at the same time."""
    running = [_started(IN_PROCESS, environment) for _ in loads]
    try:
        for process, load in zip(running, loads, strict=True):
            _write(process, load.model_dump_json())
        for process in running:
            _expect(process, "ready")
        for process in running:
            _write(process, "go")
        time.sleep(loads[0].warm + 0.8 * loads[0].seconds)
        each = [taken(process.pid) for process in running]
        outcome = Outcome.together(tuple(_outcome(process) for process in running))
    finally:
        for process in running:
            end(process)
    memory = Taken(0.0, sum(t.pss_mib for t in each), max(t.largest_mib for t in each))
    # Here the runtime is what works: nobody else sends anything.
    alone = outcome.model_copy(update={"cpu_seconds": 0.0})
    return figures(point, alone, memory, outcome.cpu_seconds)


def figures(point: Point, outcome: Outcome, memory: Taken, cpu_seconds: float) -> PointFigures:
    """What is kept of one measurement.

    Percentiles are answers that occurred ("inverted_cdf"), of those with status 200.

    Parameters
    ----------
    cpu_seconds : that the system took while it was measured
    """
    answers = len(outcome.milliseconds)
    times: dict[str, float] = {}
    if answers:
        names = ("p50_ms", "p95_ms", "p99_ms", "max_ms")
        found = np.percentile(outcome.milliseconds, [50, 95, 99, 100], method="inverted_cdf")
        times = {name: round(float(ms), 2) for name, ms in zip(names, found, strict=True)}
    if outcome.late:
        times["late_p99_ms"] = round(float(np.percentile(outcome.late, 99)), 2)
    return PointFigures(
        system=point.system,
        workers=point.workers,
        clients=point.clients,
        rate=point.rate,
        repeated=point.repeated,
        seconds=round(outcome.seconds, 2),
        answers=answers,
        failures=outcome.failures,
        requests_per_second=round(answers / outcome.seconds, 2),
        **times,
        pss_mib=round(memory.pss_mib, 1),
        worker_mib=round(memory.largest_mib, 1),
        server_cpu_ms=round(1000 * cpu_seconds / max(1, answers), 3),
        generator_cpu_ms=round(1000 * outcome.cpu_seconds / max(1, answers), 3),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _started(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - one of the two commands above
        command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip


def _write(process: "subprocess.Popen[bytes]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())
    process.stdin.flush()


def _expect(process: "subprocess.Popen[bytes]", line: str) -> None:
    assert process.stdout is not None
    if (found := process.stdout.readline().decode().strip()) != line:
        process.wait()
        raise BenchError(f"a process of the benchmark told {found!r} where {line!r} was due")


def _outcome(process: "subprocess.Popen[bytes]") -> Outcome:
    assert process.stdout is not None
    told = process.stdout.read()
    if process.wait() != 0 or not told:
        raise BenchError(f"a process of the benchmark ended with {process.returncode}")
    return Outcome.model_validate_json(told)
