"""What the newest checks found, as Prometheus metrics.

Workers look at different moments, and the last of them is right: all are `livemostrecent`. A gauge
once shown stays, so what is known no more becomes 0 where it is a state and NaN where it is a
figure. The labels are names of bundles, targets, classes and checks, each bounded in number.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Gauge

from evaluation.checked import DriftTold, LiveTold
from evaluation.drift_report import Action
from evaluation.live import Estimate
from serving.running import Running
from serving.telemetry import MAX_LABELS, MAX_VERSIONS

MAX_SERIES = 1_000
"""Of one gauge in one worker's life; later ones are not shown."""

FIGURES = ("accuracy", "automatic_accuracy", "automation")
"""Of `LiveFigures`, each shown with both ends of its interval."""


class Shown:
    """A gauge that knows which of its series it has shown."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        about: str,
        labels: tuple[str, ...],
        gone: float,
    ) -> None:
        self._gauge = Gauge(
            name, about, labels, registry=registry, multiprocess_mode="livemostrecent"
        )
        self._gone = gone
        self._series: set[tuple[str, ...]] = set()

    def show(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Show these series, and of all others that they are gone."""
        for series in self._series - set(values):
            self._gauge.labels(*series).set(self._gone)
        for series, value in values.items():
            if series in self._series or len(self._series) < MAX_SERIES:
                self._series.add(series)
                self._gauge.labels(*series).set(value)


class MonitorMetrics:
    """Told by the `Monitor` of a worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def shown(name: str, about: str, *labels: str, gone: float = math.nan) -> Shown:
            return Shown(registry, name, about, labels, gone)

        def moment(name: str, about: str) -> Gauge:
            return Gauge(name, about, registry=registry, multiprocess_mode="livemostrecent")

        of = ("bundle", "target")
        self._live = {
            (figure, end): shown(
                f"tickets_live_{figure}{suffix}", f"{about}{suffix.replace('_', ', ')}", *of
            )
            for figure, about in zip(
                FIGURES,
                (
                    "Share of audited answers that are right",
                    "Share of audited automatic answers that are right",
                    "Share of audited answers that are automatic",
                ),
                strict=True,
            )
            for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
        }
        self._answered = shown(
            "tickets_live_answered", "Audited answers that people judged", *of, gone=0
        )
        self._withheld = shown(
            "tickets_class_withheld", "1 for a class that lost its certificate live",
            "bundle", "target", "label", gone=0,
        )  # fmt: skip
        self._promised = shown(
            "tickets_promised_accuracy", "Of automatic answers, as the certificate says", *of
        )
        self._effects = shown("tickets_drift_effect", "Size of a difference", "check")
        self._drifted = shown(
            "tickets_drift_flagged", "1 for a difference that matters and is no accident", "check",
            gone=0,
        )  # fmt: skip
        self._action = shown("tickets_drift_action", "1 for what is to be done", "action", gone=0)
        self._live_checked = moment("tickets_live_checked_timestamp_seconds", "Last live check")
        self._drift_checked = moment("tickets_drift_checked_timestamp_seconds", "Last drift check")
        self._looked = moment("tickets_monitor_looked_timestamp_seconds", "Last look at the store")
        self._spooled = Gauge(
            "tickets_feedback_waiting_bytes", "Feedback on disk that waits for the store",
            registry=registry, multiprocess_mode="livemostrecent",
        )  # fmt: skip

    def live(self, found: Mapping[str, LiveTold], checked: datetime) -> None:
        """Take over the newest live check: bundle -> what it told, of bundles that answer."""
        rows = {
            (bundle, target): figures
            for bundle, told in list(found.items())[:MAX_VERSIONS]
            for target, figures in told.targets.items()
        }
        for (figure, end), gauge in self._live.items():
            gauge.show({key: _end(getattr(row, figure), end) for key, row in rows.items()})
        self._answered.show({key: row.answered for key, row in rows.items()})
        self._live_checked.set(checked.timestamp())

    def drift(self, told: DriftTold | None, checked: datetime) -> None:
        """Take over the newest drift check of the champion, and when any bundle was checked."""
        effects = {} if told is None else told.effects
        self._effects.show({(check,): effect for check, effect in effects.items()})
        self._drifted.show(
            {(check,): float(told is not None and check in told.checks) for check in effects}
        )
        self._action.show(
            {(one,): float(told is not None and one == told.action) for one in get_args(Action)}
        )
        self._drift_checked.set(checked.timestamp())

    def promised(self, running: Running) -> None:
        """Take over what the bundles that run promise, and which classes they withhold."""
        self._promised.show(
            {
                (version, target): float(str(routing["accuracy"]))
                for version, found in running.bundles.items()
                for target, routing in found.manifest.certificate.items()
                if "accuracy" in routing
            }
        )
        self._withheld.show(
            {
                (version, target, label): 1.0
                for version, classes in running.deployment.all_withheld.items()
                if version in running.bundles
                for target, labels in classes.items()
                for label in sorted(labels)[:MAX_LABELS]
                if label in running.bundles[version].manifest.targets.get(target, ())
            }
        )

    def spooled(self, size: int) -> None:
        """Take over how many bytes of feedback wait on disk."""
        self._spooled.set(size)

    def looked(self, now: datetime) -> None:
        """Note that the store answered."""
        self._looked.set(now.timestamp())


def _end(estimate: Estimate, end: str) -> float:
    value: Any = getattr(estimate, end)
    return math.nan if value is None else float(value)
