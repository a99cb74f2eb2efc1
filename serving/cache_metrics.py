"""How often an answer was remembered, and what remembering takes."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class CacheMetrics:
    """Counts the tickets that a cache of answers was asked about."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.hits = Counter(
            "tickets_cache_hits", "Tickets whose answer was remembered", registry=registry
        )
        self.shared = Counter(
            "tickets_cache_shared", "Tickets answered with the same one that was being computed",
            registry=registry,
        )  # fmt: skip
        self.misses = Counter(
            "tickets_cache_misses", "Tickets whose answer had to be computed", registry=registry
        )
        self.entries = Gauge(
            "tickets_cache_entries", "Answers that are remembered", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.bytes = Gauge(
            "tickets_cache_bytes", "Memory of what is remembered", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip

        self.failures = Counter(
            "tickets_cache_failures", "Calls to the shared cache that failed", registry=registry
        )
        self.unasked = Counter(
            "tickets_cache_unasked", "Tickets computed because the shared cache did not answer",
            registry=registry,
        )  # fmt: skip

    def held(self, entries: int, size: int) -> None:
        """Note how much is remembered."""
        self.entries.set(entries)
        self.bytes.set(size)
