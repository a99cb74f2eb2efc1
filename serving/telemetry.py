"""What is counted: a few numbers per request and answer, and no word a customer wrote.

BentoML's own request metrics and access log take the path as the client typed it, a label without
bound that may hold anything; they are switched off, and the route's template is used instead.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from data.schema import ArmKind, Prediction
from models.manifest import Manifest
from serving.arms import Told
from serving.cache_metrics import CacheMetrics
from serving.correlation import current, note_step
from serving.security_metrics import SecurityMetrics

MAX_LABELS = 200
"""Labels of one target that get time series of their own; the rest are counted as `(other)`."""

MAX_LANGUAGES = 30
"""Languages that get a time series of their own; a ticket may claim any, so the rest share one."""

MAX_VERSIONS = 100
"""Versions that get time series of their own in one worker's life; later ones are `(other)`."""

Dropped = Literal["full", "withdrawn", "failed"]
"""Why a shadow was not shown a ticket: its queue was full, it was published no more, it broke."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 1.0)
LOADING = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
TICKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


class Telemetry:
    """The service's own Prometheus metrics.

    Build it after `PROMETHEUS_MULTIPROC_DIR` is set, where there are several workers.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self.cache = CacheMetrics(registry)
        self.security = SecurityMetrics(registry)
        self.requests = Counter(
            "tickets_http_requests", "Requests answered", ["method", "route", "status"],
            registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "tickets_http_request_seconds", "Time to the last byte of the answer", ["route"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self.predictions = Counter(
            "tickets_predictions", "Answers given", ["target", "label", "decision"],
            registry=registry,
        )  # fmt: skip
        self.decisions = Counter(
            "tickets_decisions", "Answers given, by why they are routed or not",
            ["target", "reason"], registry=registry,
        )  # fmt: skip
        self.confidence = Histogram(
            "tickets_confidence", "Calibrated probability of the label answered", ["target"],
            buckets=CONFIDENCES, registry=registry,
        )  # fmt: skip
        self.degraded = Counter(
            "tickets_degraded", "Answers given without this member", ["member"], registry=registry
        )
        self.languages = Counter(
            "tickets_languages", "Answers given, by the language of the ticket", ["language"],
            registry=registry,
        )  # fmt: skip
        self.encoder_tickets = Histogram(
            "tickets_encoder_call_tickets", "Tickets that shared one encoder call",
            buckets=TICKETS, registry=registry,
        )  # fmt: skip
        self.encoder_seconds = Histogram(
            "tickets_encoder_call_seconds", "Time of one encoder call",
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self.model = Gauge(
            "tickets_model_info", "1 for the bundle that answers",
            ["version", "dataset", "fallback"], registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self.arm_tickets = Counter(
            "tickets_arm_answers", "Tickets answered, by the part and version of the bundle",
            ["arm", "version"], registry=registry,
        )  # fmt: skip
        self.arm_seconds = Histogram(
            "tickets_arm_seconds", "Time from asking a bundle to its answers, waiting included",
            ["version"], registry=registry,
        )  # fmt: skip
        self.arm_failures = Counter(
            "tickets_arm_failures", "Tickets that a bundle did not answer, refused ones among them",
            ["version"], registry=registry,
        )  # fmt: skip
        self.audited = Counter(
            "tickets_audited", "Answers that the audit sample drew", registry=registry
        )
        self.shadows_dropped = Counter(
            "tickets_shadows_dropped", "Tickets that a shadow was not shown after all", ["reason"],
            registry=registry,
        )  # fmt: skip
        self.not_recorded = Counter(
            "tickets_not_recorded", "Answers that the recorder failed to take", registry=registry
        )
        self.loading_seconds = Histogram(
            "tickets_bundle_loading_seconds", "Time to verify, construct and probe a bundle",
            buckets=LOADING, registry=registry,
        )  # fmt: skip
        self.reload_seconds = Histogram(
            "tickets_bundle_reload_seconds", "Time from publishing a bundle to its first ticket",
            buckets=LOADING, registry=registry,
        )  # fmt: skip
        self.refusals = Counter(
            "tickets_bundle_refusals", "Published bundles that were refused", ["arm"],
            registry=registry,
        )  # fmt: skip
        self.refused = Gauge(
            "tickets_bundles_refused", "Bundles that are published and do not run",
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self.resident = Gauge(
            "tickets_resident_bytes", "Memory of all workers, as of their last look at the store",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._labels: dict[str, frozenset[str]] = {}
        self._versions: set[str] = set()
        self._languages: set[str] = set()
        self._model: tuple[str, str, str] | None = None

    def bundle_changed(self, manifest: Manifest, others: Sequence[Manifest] = ()) -> None:
        """Name the champion from now on, and the labels to count its and the others' answers by."""
        labels: dict[str, dict[str, None]] = {}
        for one in (manifest, *others):
            for target, names in one.targets.items():
                labels.setdefault(target, {}).update(dict.fromkeys(names))
        self._labels = {
            target: frozenset(list(names)[:MAX_LABELS]) for target, names in labels.items()
        }
        if self._model is not None:
            self.model.labels(*self._model).set(0)
        self._model = (manifest.version, manifest.dataset, str(manifest.fallback).lower())
        self.model.labels(*self._model).set(1)

    def answered(self, predictions: Iterable[Prediction]) -> None:
        """Count what was answered."""
        for prediction in predictions:
            for target, answer in prediction.targets.items():
                known = answer.label in self._labels.get(target, ())
                label = answer.label if known else "(other)"
                self.predictions.labels(target, label, answer.decision).inc()
                self.decisions.labels(target, answer.reason).inc()
                self.confidence.labels(target).observe(answer.confidence)
            self.languages.labels(self._language(prediction.language)).inc()
            for member in prediction.degraded:
                self.degraded.labels(member).inc()

    def told(self, answers: Iterable[Told]) -> None:
        """Count answers by their arm, those of shadows too."""
        cause = current()
        for answer in answers:
            if cause is not None:
                cause.arms.add(answer.arm)
            counted = self._counted(answer.prediction.bundle)
            self.arm_tickets.labels(answer.arm, counted).inc()
            if answer.audit and answer.arm != "shadow":
                self.audited.inc()

    def arm_answered(self, version: str, seconds: float) -> None:
        """Note how long a bundle took for the tickets of one request."""
        counted = self._counted(version)
        note_step("ask bundle", seconds, version=version)
        self.arm_seconds.labels(counted).observe(seconds)
        self.arm_failures.labels(counted).inc(0)  # none is to be told from not counted

    def arm_failed(self, version: str, tickets: int) -> None:
        """Count tickets of a request that a bundle did not answer."""
        self.arm_failures.labels(self._counted(version)).inc(tickets)

    def _language(self, language: str | None) -> str:
        """The label of a language: its code, or one for all beyond `MAX_LANGUAGES`."""
        if language is None:
            return "(unknown)"
        if len(self._languages) < MAX_LANGUAGES and language.isalpha() and len(language) <= 3:
            self._languages.add(language)
        return language if language in self._languages else "(other)"

    def _counted(self, version: str) -> str:
        """The label of a bundle: its version, or one for all beyond `MAX_VERSIONS`."""
        if len(self._versions) < MAX_VERSIONS:
            self._versions.add(version)
        return version if version in self._versions else "(other)"

    def shadow_dropped(self, reason: Dropped, tickets: int = 1) -> None:
        """Count tickets that a shadow was not shown after all."""
        self.shadows_dropped.labels(reason).inc(tickets)

    def bundle_loaded(self, seconds: float, since_published: float | None) -> None:
        """Count a bundle that begins to serve, and how long a running server took to follow."""
        self.loading_seconds.observe(seconds)
        if since_published is not None:
            self.reload_seconds.observe(since_published)

    def bundle_refused(self, kind: ArmKind) -> None:
        """Count a published bundle that was refused."""
        self.refusals.labels(kind).inc()

    def store_followed(self, refused: int) -> None:
        """Note how many published bundles do not run, and the memory of this worker."""
        self.refused.set(refused)
        self.resident.set(psutil.Process().memory_info().rss)

    def encoded(self, tickets: int, seconds: float) -> None:
        """Count one encoder call."""
        self.encoder_tickets.observe(tickets)
        self.encoder_seconds.observe(seconds)

    def exposition(self) -> tuple[bytes, str]:
        """All metrics of all workers in Prometheus text, and its media type."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:
            return generate_latest(self.registry), CONTENT_TYPE_LATEST
        forget_dead_workers(folder)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def close(self) -> None:
        """Drop this worker's gauges, so that the others' sums are right without it."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is not None:
            mark_process_dead(os.getpid(), folder)  # type: ignore[no-untyped-call]


def forget_dead_workers(folder: str) -> None:
    """Drop the gauges of workers that were killed and could not do so themselves."""
    for file in Path(folder).glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
