"""How much waits in this worker and on its disk, as Prometheus metrics.

Each worker has to write its own, whichever of them is asked for `/metrics`, so a thread looks.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, Gauge

SECONDS = 1.0
SELDOM = 15
"""Looks after which the folders are looked at too, which costs more."""


class DepthMetrics:
    """Looks now and then until it is closed.

    Parameters
    ----------
    waiting : tickets of this worker that wait for an answer
    shadows : tickets that wait for shadows
    jobs : jobs that wait or run, of all workers
    folder : on the disk that spool and jobs are on
    tell : has somebody else show how much waits, at every look
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        waiting: Callable[[], int] = lambda: 0,
        shadows: Callable[[], int] = lambda: 0,
        jobs: Callable[[], int] = lambda: 0,
        folder: Path = Path(),
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        def gauge(name: str, about: str, mode: str) -> Gauge:
            return Gauge(name, about, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]

        self._waiting, self._ask_waiting = (
            gauge("tickets_waiting", "Tickets that wait for an answer", "livesum"), waiting,
        )  # fmt: skip
        self._shadows, self._ask_shadows = (
            gauge("tickets_shadows_waiting", "Tickets that wait for shadows", "livesum"), shadows,
        )  # fmt: skip
        self._jobs, self._ask_jobs = (
            gauge("tickets_jobs_unfinished", "Jobs that wait or run", "livemostrecent"), jobs,
        )  # fmt: skip
        self._free = gauge(
            "tickets_disk_free_bytes", "Free on the disk of spool and jobs", "livemostrecent"
        )
        self._folder = folder
        self._tell = tell
        self._looks = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Take over what waits now; never raises for a folder that cannot be read."""
        self._waiting.set(self._ask_waiting())
        self._shadows.set(self._ask_shadows())
        self._tell()
        if self._looks % SELDOM == 0:
            try:
                self._jobs.set(self._ask_jobs())
                self._free.set(psutil.disk_usage(str(_nearest(self._folder))).free)
            except OSError:
                pass
        self._looks += 1

    def follow(self, seconds: float = SECONDS) -> None:
        """Look now and every so many seconds, in a thread of its own, until `close`."""

        def loop() -> None:
            while True:
                self.look()
                if self._stop.wait(seconds):
                    return

        self._thread = threading.Thread(target=loop, name="depths", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.resolve()
    while not folder.is_dir():
        folder = folder.parent
    return folder
