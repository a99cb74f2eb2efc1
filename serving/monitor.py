"""What the commands that watch the answers found reaches `/metrics`, by way of the store."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from data.errors import StoreError
from data.log_lines import anonymous_traceback
from data.store import Event
from evaluation.checked import DRIFT, LIVE, DriftTold, LiveTold, read_told
from serving.monitor_metrics import MonitorMetrics
from serving.running import Running

logger = logging.getLogger(__name__)

EVENTS = 50
"""Of one kind that are read; each check writes one per bundle."""


class Events(Protocol):
    """What is read of the store."""

    def events(self, limit: int = 100, action: str | None = None) -> list[Event]: ...


class Monitor:
    """Looks at the newest checks now and then, in a thread of its own.

    While the store is down, gauges stay as they are; the moments of the last check and of the last
    look, which stay too, tell how old they have become.

    Parameters
    ----------
    store : its audit log holds the checks
    metrics : told of what was found
    running : what answers now; None before the first bundle
    spooled : bytes of feedback that wait on disk
    """

    def __init__(
        self,
        store: Events,
        metrics: MonitorMetrics,
        running: Callable[[], Running | None],
        spooled: Callable[[], int],
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._running = running
        self._spooled = spooled
        self._failure: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Take over what is new; never raises."""
        running = self._running()
        try:
            self._metrics.spooled(self._spooled())
            if running is not None:
                self._metrics.promised(running)
                self._take_live(running)
                self._take_drift(running)
                self._metrics.looked(datetime.now(UTC))
            self._failure = None
        except StoreError as error:
            self._tell(str(error))
        except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
            self._tell(f"{type(error).__name__}\n{anonymous_traceback(error)}")

    def follow(self, seconds: float) -> None:
        """Look now and every so many seconds, in a thread of its own, until `close`."""

        def loop() -> None:
            self.look()
            # The first bundle takes a few seconds to load.
            while not self._stop.wait(seconds if self._running() else min(seconds, 1.0)):
                self.look()

        self._thread = threading.Thread(target=loop, name="monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; what is shown stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _take_live(self, running: Running) -> None:
        events = self._store.events(EVENTS, LIVE)
        found: dict[str, LiveTold] = {}
        for event in events:
            if event.subject in running.bundles and event.subject not in found:
                told = read_told(event, LiveTold)
                if told is not None:
                    found[event.subject] = told
        if events:
            self._metrics.live(found, events[0].at)

    def _take_drift(self, running: Running) -> None:
        champion = running.champion.manifest.version
        events = self._store.events(EVENTS, DRIFT)
        found = (
            told
            for event in events
            if event.subject == champion and (told := read_told(event, DriftTold)) is not None
        )
        if events:
            # A champion nobody looked at yet: what was said of the former is not said of it.
            self._metrics.drift(next(found, None), events[0].at)

    def _tell(self, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            logger.warning("what was checked last cannot be read: %s", reason)
