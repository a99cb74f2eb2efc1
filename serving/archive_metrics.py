"""How far the store is behind what was answered, as Prometheus metrics."""

import threading

from prometheus_client import CollectorRegistry, Counter, Gauge

from serving.recording import Behind


class ArchiveMetrics:
    """Told by the `PredictionWriter` of a worker; each worker has its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rows = Gauge(
            "tickets_unstored_predictions", "Predictions that wait to be stored",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._seconds = Gauge(
            "tickets_unstored_seconds", "Age of the oldest prediction that waits to be stored",
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._stored = Counter(
            "tickets_predictions_stored", "Predictions stored", registry=registry
        )
        self._dropped = Counter(
            "tickets_predictions_dropped", "Predictions the store did not take and that are lost",
            registry=registry,
        )  # fmt: skip
        self._told = (0, 0)
        self._telling = threading.Lock()

    def behind(self, now: Behind) -> None:
        """Take over how far behind the store is."""
        with self._telling:
            self._rows.set(now.rows)
            self._seconds.set(now.seconds)
            # Several threads tell, and the earlier word may come last.
            stored, dropped = self._told
            self._told = max(stored, now.written), max(dropped, now.dropped)
            self._stored.inc(self._told[0] - stored)
            self._dropped.inc(self._told[1] - dropped)
