"""A service with all it stands on, in a folder of its own, that can be broken and mended."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from data.errors import TicketAssistantError
from models.publishing import FolderStore
from serving.bench.processes import Server, free_port, serving
from serving.bench.systems.catalogue import OURS, SYSTEMS, environment
from serving.bench.workplace import Workplace
from serving.drills.ledger import Ledger
from serving.drills.lookup import Kept

T = TypeVar("T")

LOOK_EVERY = 0.05
RECORD_LAG = 0.5
"""Seconds that predictions may gather before they are written, as `record_lag_ms` has it."""


class DrillError(TicketAssistantError):
    """A drill could not be carried out, so that nothing is known of the promise."""


class LackingError(DrillError):
    """This machine has not what the drill needs; the message names it."""


@dataclass
class Stage:
    """Where one drill takes place.

    Attributes
    ----------
    workplace : holds the published bundle
    settings : of the service, beside those every stage has; changed before `start`
    wrap : puts the command of the service into another
    """

    workplace: Workplace
    folder: Path
    workers: int = 2
    settings: dict[str, str] = field(default_factory=dict)
    wrap: Callable[[Sequence[str]], Sequence[str]] = lambda command: command
    port: int = field(default_factory=free_port)
    ledger: Ledger = field(default_factory=Ledger)
    _contexts: ExitStack = field(default_factory=ExitStack)
    _running: ExitStack = field(default_factory=ExitStack)
    _server: Server | None = None
    _starts: int = 0

    @property
    def bundles(self) -> FolderStore:
        """The store whose deployment.json the service follows."""
        return FolderStore(Path(self._environment["TICKETS_BUNDLE_STORE"]))

    @property
    def kept(self) -> Kept:
        """Where the service keeps what it acknowledges."""
        told = self._environment
        return Kept(told["TICKETS_STORE"], Path(told["TICKETS_SPOOL"]))

    @property
    def server(self) -> Server:
        """What was started last."""
        if self._server is None:
            raise DrillError("nothing was started yet")
        return self._server

    @property
    def _environment(self) -> dict[str, str]:
        base = environment(
            SYSTEMS[OURS], self.workers, self.workplace.store, self.workplace.bundle, self.folder
        )
        # Sooner than by default, so that a drill does not wait for the clock.
        quick = {"TICKETS_SPOOL_SECONDS": "1", "TICKETS_FOLLOW_SECONDS": "0.5"}
        return {**base, **quick, **self.settings}

    def start(self) -> None:
        """Start the service, on what a former one left; gives back once all workers are ready.

        Raises
        ------
        BenchError
            If it does not get ready.
        """
        self._starts += 1
        start = SYSTEMS[OURS].start
        assert start is not None
        command = self.wrap(start(self.port, self.workers))
        kept = self.folder / f"log-{self._starts}"
        self._server = self._running.enter_context(
            serving(command, self.port, self._environment, kept)
        )

    def stop(self) -> None:
        """Ask the service to end; what waits to be written is written."""
        self._running.close()

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Have something beside the service until the drill is over."""
        return self._contexts.enter_context(context)

    def close(self) -> None:
        """End the service, then what stands beside it."""
        try:
            self.stop()
        finally:
            self._contexts.close()

    def worker_pids(self) -> list[int]:
        """Processes that answer, the oldest first."""
        found = []
        for child in psutil.Process(self.server.process.pid).children():
            with suppress(psutil.Error):
                if any("worker.service" in part for part in child.cmdline()):
                    found.append((child.create_time(), child.pid))
        return [pid for _, pid in sorted(found)]

    def kill(self) -> None:
        """End every process of the service at once, as a power cut would."""
        parent = psutil.Process(self.server.process.pid)
        tree = [parent, *parent.children(recursive=True)]
        for process in tree:  # the parent first, or it would start new workers
            with suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGKILL)
        self.server.process.wait(30)
        psutil.wait_procs(tree, timeout=10)
        self.stop()


def rest(seconds: float) -> None:
    """Let the clients ask for so long."""
    time.sleep(seconds)


def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> float:
    """Wait until something is so; after how many seconds that was.

    Raises
    ------
    DrillError
        If it does not come about.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise DrillError(f"{what}: not within {seconds:g} s")
        time.sleep(LOOK_EVERY)
    return time.monotonic() - began
