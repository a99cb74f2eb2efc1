"""Start a system, know when it is ready, what it takes of the machine, and end all of it."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from data.errors import TicketAssistantError
from serving.bench.systems.catalogue import HOST

PATIENCE = 180.0
"""Seconds until a system counts as never ready."""

LOOK_EVERY = 0.02
STEADY = 20
"""Answers of /readyz in a row, each over a connection of its own, until all workers count as ready:
the one that is not would have met some of them."""

ROOT = Path(__file__).parents[2]
MIB = 2**20


class BenchError(TicketAssistantError):
    """A system under test did not start or ended too soon; the message says which log to read."""


@dataclass(frozen=True)
class Taken:
    """What some processes have taken of the machine so far."""

    cpu_seconds: float
    pss_mib: float
    largest_mib: float


@dataclass
class Server:
    """A system that listens on a port of the loopback interface."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path
    ready_seconds: float = 0.0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def taken(self) -> Taken:
        """Processor time and memory of its whole tree of processes."""
        return taken(self.process.pid)


def taken(pid: int) -> Taken:
    """Processor time and memory of a process and all below it.

    Shared pages are divided among those that share them (PSS) where the system tells it, otherwise
    they count for each.
    """
    cpu, pss, largest = 0.0, 0.0, 0.0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times, memory = process.cpu_times(), process.memory_full_info()
                cpu += times.user + times.system
                pss += getattr(memory, "pss", memory.rss) / MIB
                largest = max(largest, memory.rss / MIB)
    return Taken(cpu, pss, largest)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def serving(
    command: Sequence[str], port: int, environment: Mapping[str, str], kept: Path
) -> Iterator[Server]:
    """Start a server, give it once it is ready, and end every process of it.

    Parameters
    ----------
    environment : beside what this process has
    kept : folder for its log

    Raises
    ------
    BenchError
        If it ends or is not ready in time.
    """
    kept.mkdir(parents=True, exist_ok=True)
    log = kept / "log.txt"
    own = {**os.environ, **environment}
    own.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if home := environment.get("BENTOML_HOME"):
        Path(home).mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - a command of `catalogue`
            command, cwd=ROOT, env=own, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    server = Server(port, process, log)
    try:
        server.ready_seconds = _until_ready(server, began)
        yield server
    finally:
        end(process)


def _until_ready(server: Server, began: float) -> float:
    """Wait for all workers; seconds from `began` to the first /readyz 200."""
    first: float | None = None
    steady = 0
    while steady < STEADY:
        if server.process.poll() is not None:
            raise BenchError(f"the system ended before it was ready; see {server.log}")
        if time.monotonic() - began > PATIENCE:
            raise BenchError(f"the system is not ready after {PATIENCE:g} s; see {server.log}")
        if _is_ready(server.port):
            first = first or time.monotonic() - began
            steady += 1
        else:
            steady = 0
            time.sleep(LOOK_EVERY)
    assert first is not None
    return first


def _is_ready(port: int) -> bool:
    """Ask over a new connection, by a plain client: the cores are for what is starting."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def end(process: "subprocess.Popen[bytes]", patience: float = 20.0) -> None:
    """Ask a process to end, and kill what of its tree has not ended by then."""
    tree: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        tree = psutil.Process(process.pid).children(recursive=True)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    if process.poll() is None:
        process.kill()
        process.wait()
    for one in tree:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(tree, timeout=5)
