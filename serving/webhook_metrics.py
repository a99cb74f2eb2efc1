"""Webhooks as Prometheus metrics; the labels are names of endpoints, which an operator wrote."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from data.outbox_records import Depth
from serving.webhook_posting import Attempt, Result


class WebhookMetrics:
    """Told by the one worker that delivers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, about: str) -> Gauge:
            return Gauge(
                name, about, ["endpoint"], registry=registry, multiprocess_mode="livemostrecent"
            )

        self.attempts = Counter(
            "tickets_webhook_attempts", "Attempts to deliver an event", ["endpoint", "result"],
            registry=registry,
        )  # fmt: skip
        self.given_up = Counter(
            "tickets_webhook_given_up", "Events that became dead letters", ["endpoint"],
            registry=registry,
        )  # fmt: skip
        self.waiting = gauge("tickets_webhook_waiting", "Events that wait to be delivered")
        self.dead = gauge("tickets_webhook_dead", "Events that were given up")
        self.oldest = gauge("tickets_webhook_oldest_seconds", "Age of the oldest that waits")

    def expect(self, endpoints: Iterable[str]) -> None:
        """Show these endpoints from now on: none is to be told from not counted."""
        for endpoint in endpoints:
            self.given_up.labels(endpoint).inc(0)
            for result in get_args(Result):
                self.attempts.labels(endpoint, result).inc(0)

    def attempted(self, endpoint: str, attempt: Attempt) -> None:
        """Count an attempt."""
        self.attempts.labels(endpoint, attempt.result).inc()

    def gave_up(self, endpoint: str) -> None:
        """Count an event that will not be tried again."""
        self.given_up.labels(endpoint).inc()

    def look(self, endpoints: Iterable[str], depths: Mapping[str, Depth], now: datetime) -> None:
        """Take over how much waits."""
        nothing = Depth(waiting=0, dead=0, oldest=None)
        for endpoint in endpoints:
            depth = depths.get(endpoint, nothing)
            self.waiting.labels(endpoint).set(depth.waiting)
            self.dead.labels(endpoint).set(depth.dead)
            age = 0.0 if depth.oldest is None else (now - depth.oldest).total_seconds()
            self.oldest.labels(endpoint).set(max(0.0, age))
