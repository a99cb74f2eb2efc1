"""What computes the networks of the bundles that were loaded, and how long it took when timed."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from models.runtime_choice import RuntimeChoice


class RuntimeMetrics:
    """Counts the bundles that a worker loads by their runtime."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.loads = Counter(
            "tickets_bundle_loads", "Bundles loaded, by what computes their networks", ["runtime"],
            registry=registry,
        )  # fmt: skip
        self.seconds = Gauge(
            "tickets_runtime_seconds", "Time of one text in the first network, when last timed",
            ["runtime"], registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip

    def loaded(self, choice: RuntimeChoice) -> None:
        """Note what a bundle runs on."""
        self.loads.labels(choice.name).inc()
        for name, milliseconds in choice.milliseconds.items():
            self.seconds.labels(name).set(milliseconds / 1000)
