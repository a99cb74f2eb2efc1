"""Looking at the answers in production, and what follows from it, each with its reasons kept."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, Field, JsonValue

from data.errors import BundleError, ModelError
from data.schema import Record
from data.store import Event, Query, Store
from evaluation.checked import DRIFT, LIVE, LiveTold
from evaluation.drift_report import DriftReport
from evaluation.drift_window import Window
from evaluation.judgement import Believed
from models.deployment import Deployment
from models.publishing import BundleStore
from models.withholding import restore, withhold
from pipelines.drift_alerts import DRIFTED, EARLY, find_look, is_due
from pipelines.experiment_state import BUNDLE_CACHE
from pipelines.live_check import (
    RESTORED,
    LiveFindings,
    check_bundles,
    newest_of_class,
    tell_target,
    tell_withheld,
)
from pipelines.monitor_params import MonitorParams

logger = logging.getLogger(__name__)

LOST, WITHHELD = "alert.certificate", "certificate.withheld"

Looked = tuple[DriftReport, Window, Window]
"""What was found, the reference and the window looked at."""

Look = Callable[[Path, datetime, datetime], Looked]
"""Compares what the bundle of a folder answered, from one moment to before another, with its own
reference; `pipelines.drift_checks.check_store`."""

Detail = dict[str, JsonValue]

NEVER = datetime.min.replace(tzinfo=UTC)


class Alert(Record):
    """What somebody should know now."""

    action: str = Field(description="of its line in the audit log")
    subject: str = Field(description="version of the bundle")
    reasons: tuple[str, ...]
    target: str | None = None
    label: str | None = None

    @property
    def told(self) -> str:
        """In one line."""
        return " ".join([self.subject, *self.reasons])


class MonitorReport(Record):
    """Everything one run found, and whether it was acted on."""

    at: AwareDatetime
    champion: str
    live: LiveFindings
    drift: DriftReport | None
    alerts: tuple[Alert, ...] = Field(description="those not raised before")
    reasons: tuple[str, ...] = Field(description="what was found, in words for people")

    def to_json(self) -> str:
        """As it is written."""
        return self.model_dump_json(indent=1) + "\n"


@dataclass(frozen=True)
class Monitoring:
    """Everything a run needs; `now` is its moment."""

    store: Store
    bundles: BundleStore
    params: MonitorParams
    actor: str
    now: datetime
    look_at_drift: Look
    believed: Believed | None = None
    """Feedback that may count; all where left out."""

    def look(self, since: datetime | None = None) -> tuple[MonitorReport, Looked | None]:
        """What is found, with the windows that drift was looked for in; changes nothing.

        Raises
        ------
        ModelError
            If nobody answers.
        """
        deployment, champion = self._deployment()
        live = self._live(deployment, since)
        looked, why_not = self._drift(champion)
        report = looked[0] if looked else None
        drift = report if report and report.enough else None
        reasons = [
            f"{version}: {line}"
            for version, found in live.report.bundles.items()
            for name, target in found.targets.items()
            for line in tell_target(name, target)
        ]
        if not live.report.bundles:
            reasons.append("No audited answer yet: nothing is known of the accuracy.")
        reasons += map(tell_withheld, live.withheld)
        reasons += drift.reasons if drift else why_not
        found = MonitorReport(
            at=self.now,
            champion=champion,
            live=live,
            drift=report,
            alerts=(*self._lost(live), *self._drifted(champion, drift)),
            reasons=tuple(reasons),
        )
        return found, looked

    def act(self, report: MonitorReport) -> None:
        """Withhold what was lost, then log what was found; what was done before is not done again.

        Raises
        ------
        ModelError
            If a bundle lost its part meanwhile: look again.
        """
        if self.params.withhold:
            self._withhold(report.live)
        for alert in report.alerts:
            self._log(alert.action, alert.subject, self._detail(alert, report.drift))
        for version, found in report.live.report.bundles.items():
            reasons = [
                line for name, one in found.targets.items() for line in tell_target(name, one)
            ]
            self._log(LIVE, version, LiveTold.of(found, reasons).detail())
        if not report.live.report.bundles:
            self._log(LIVE, report.champion, {"reasons": list(report.reasons), "targets": {}})
        if report.drift is not None and report.drift.enough:
            self._log(DRIFT, report.champion, report.drift.detail())

    def restore(
        self, target: str, label: str, reason: str, version: str | None = None
    ) -> list[str]:
        """Route a withheld class again, and say what the audit has shown of it.

        What was answered until now counts no more for or against it: the check begins anew.

        Raises
        ------
        ModelError
            If the class is not withheld, or the bundle has no part.
        """
        deployment, champion = self._deployment()
        bundle = version or champion
        wanted = restore(deployment, bundle, target, label, self.now)
        live = self._live(deployment)
        told = [
            tell_withheld(one)
            for one in live.withheld
            if (one.bundle, one.target, one.label) == (bundle, target, label)
        ]
        self.bundles.deploy(self._dated(wanted))
        detail: Detail = {"reasons": [reason, *told], "target": target, "label": label}
        self._log(RESTORED, bundle, detail)
        return [f"restored {bundle} {target} {label}", *told]

    def _live(self, deployment: Deployment, since: datetime | None = None) -> LiveFindings:
        return check_bundles(
            self.store,
            self.bundles,
            deployment,
            self.params.alpha,
            since=since,
            believed=self.believed,
        )

    def _deployment(self) -> tuple[Deployment, str]:
        deployment = self.bundles.find_deployment()
        if deployment is None or deployment.champion is None:
            raise ModelError("the bundle store names no champion: there is nothing to watch")
        return deployment, deployment.champion.version

    def _drift(self, champion: str) -> tuple[Looked | None, Sequence[str]]:
        """What was looked at, or why nothing was."""
        window = timedelta(days=self.params.window_days)
        last = find_look(self.store, champion)
        if last is not None and self.now - last[0].at < window - EARLY:
            at = f"{last[0].at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            return None, [
                f"Drift was looked at on {at}: {last[1].action}; a look is due every "
                f"{self.params.window_days:g} days."
            ]
        since = self.now - window
        asked = Query(bundle=champion, since=since, until=self.now)
        if not self.store.search(asked, limit=1).found:
            # Opening the bundle, whose members make the vectors, takes a while.
            return None, [f"Drift was not looked at: no answer since {since:%Y-%m-%d %H:%M}."]
        try:
            folder = self.bundles.find(champion, BUNDLE_CACHE)
            if folder is None:
                raise BundleError(f"{champion} is not in the bundle store")
            looked = self.look_at_drift(folder, since, self.now)
        except BundleError as error:
            return None, [f"Drift cannot be looked at: {error}."]
        return looked, looked[0].reasons

    def _lost(self, live: LiveFindings) -> list[Alert]:
        return [
            Alert(
                action=LOST,
                subject=version,
                reasons=(f"{target} {label} lost its certificate: {why}.",),
                target=target,
                label=label,
            )
            for version, target, label, why in self._untold(LOST, live)
        ]

    def _drifted(self, champion: str, drift: DriftReport | None) -> list[Alert]:
        again = timedelta(days=self.params.alert_again_days)
        if drift is None or not is_due(self.store, drift, champion, self.now, again):
            return []
        return [Alert(action=DRIFTED, subject=champion, reasons=drift.reasons)]

    def _withhold(self, live: LiveFindings) -> None:
        """Withhold what is not withheld yet, of all bundles at once; then log it.

        In this order: a store that is down must not keep wrong answers going out.
        """
        deployment, _ = self._deployment()
        wanted = deployment
        for version, targets in live.lost.items():
            for target, labels in targets.items():
                wanted = withhold(wanted, version, target, labels, self.now)
        if wanted is not deployment:
            self.bundles.deploy(self._dated(wanted))
        for version, target, label, why in self._untold(WITHHELD, live):
            logger.warning("%s: %s %s is withheld", version, target, label)
            reasons: list[JsonValue] = [f"{target} {label}: {why}."]
            self._log(WITHHELD, version, {"reasons": reasons, "target": target, "label": label})

    def _untold(self, action: str, live: LiveFindings) -> list[tuple[str, str, str, str]]:
        """Lost classes that no line of this kind speaks of since they were last restored."""
        told, restored = (newest_of_class(self.store, kind) for kind in (action, RESTORED))
        return [
            (version, target, label, why)
            for version, targets in live.lost.items()
            for target, labels in targets.items()
            for label, why in labels.items()
            if (moment := told.get((version, target, label))) is None
            or moment <= restored.get((version, target, label), NEVER)
        ]

    def _dated(self, wanted: Deployment) -> Deployment:
        """Published now, whatever moment the run is of: the history sorts by it."""
        return wanted.model_copy(update={"published_at": datetime.now(UTC)})

    @staticmethod
    def _detail(alert: Alert, drift: DriftReport | None) -> Detail:
        if alert.action == DRIFTED and drift is not None:
            return drift.detail()
        return {"reasons": list(alert.reasons), "target": alert.target, "label": alert.label}

    def _log(self, action: str, subject: str, detail: Detail) -> None:
        self.store.log(
            Event(at=self.now, actor=self.actor, action=action, subject=subject, detail=detail)
        )
