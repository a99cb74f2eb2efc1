"""A stage on which nothing runs: clients were told what we say they were."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.bench.processes import Taken
from serving.bench.workplace import Workplace
from serving.drills.ledger import Ledger
from serving.drills.lookup import Kept


@dataclass
class StandInServer:
    """Takes as much memory as it is told to."""

    mib: list[float] = field(default_factory=lambda: [100.0])

    def taken(self) -> Taken:
        return Taken(0.0, self.mib.pop(0) if len(self.mib) > 1 else self.mib[0], 0.0)


@dataclass
class StandIn:
    """Looks like a `Stage`."""

    folder: Path
    workplace: Workplace = field(default_factory=lambda: Workplace(Path("/nowhere"), "a-00000000"))
    port: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    server: StandInServer = field(default_factory=StandInServer)
    pids: list[int] = field(default_factory=list)
    wrap: Callable[[Any], Any] = lambda command: command
    contexts: ExitStack = field(default_factory=ExitStack)
    started: int = 0
    killed: int = 0

    @property
    def kept(self) -> Kept:
        store = self.settings.get("TICKETS_STORE", f"sqlite:///{self.folder / 'store.db'}")
        return Kept(store, self.folder / "spool")

    def enter(self, context: AbstractContextManager[Any]) -> Any:
        return self.contexts.enter_context(context)

    def worker_pids(self) -> list[int]:
        return self.pids

    def start(self) -> None:
        self.started += 1

    def kill(self) -> None:
        self.killed += 1

    def answers(self, number: int = 1) -> None:
        """Tickets that were answered just now."""
        for one in range(number):
            self.ledger.predicted(f"p{one}", time.monotonic() - 0.01)

    def fails(self, path: str, what: str) -> None:
        self.ledger.failed(path, what, time.monotonic())
