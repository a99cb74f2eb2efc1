"""A store with audited answers, published bundles, and looks that find the drift they are told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from data.sql import SqlStore
from data.store import Event
from evaluation.drift_report import Check, DriftReport, Rules, WindowFacts
from evaluation.drift_window import Window, make_window
from models.deployment import Deployment
from models.manifest import MANIFEST
from models.publishing import FolderStore
from pipelines.monitor_acts import Looked, Monitoring, MonitorReport
from pipelines.monitor_params import MonitorParams
from tests.serving.arm_fakes import NOW, A, deployment
from tests.serving.fakes import make_manifest
from tests.stores import make_feedback, make_prediction

CLASSES = ("network", "printer")


def publish(bundles: FolderStore, wanted: Deployment) -> None:
    """Name bundles whose manifests promise 0.95 for both classes."""
    classes = {label: {"certified": True} for label in CLASSES}
    promise = {"category": {"accuracy": 0.95, "confidence": 0.95, "classes": classes}}
    for version in wanted.versions:
        place = bundles.root / version
        place.mkdir(parents=True, exist_ok=True)
        manifest = make_manifest(version).model_copy(update={"certificate": promise})
        (place / MANIFEST).write_text(manifest.model_dump_json())
    bundles.deploy(wanted)


@dataclass
class World:
    """Everything around one monitor; `now` moves when told to."""

    store: SqlStore
    bundles: FolderStore
    now: datetime = NOW
    params: MonitorParams = field(default_factory=MonitorParams)
    drift: DriftReport | Exception | None = None
    looks: list[tuple[datetime, datetime]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def answer(
        self,
        n: int,
        wrong: int = 0,
        label: str = "printer",
        bundle: str = A,
        reason: str = "certified",
        **facts: object,
    ) -> None:
        """Keep n audited answers, of which people said that some are wrong, spread evenly."""
        rows, said = [], []
        decision = "auto" if reason == "certified" else "review"
        for i, number in zip(range(n), self.numbers, strict=False):
            row = make_prediction(
                number, labels={"category": label}, decisions={"category": decision}, bundle=bundle,
                at=self.now, **{"audit": True, "audit_propensity": 0.02, **facts},
            )  # fmt: skip
            answers = {
                name: one.model_copy(update={"reason": reason})
                for name, one in row.prediction.targets.items()
            }
            told = row.prediction.model_copy(update={"targets": answers})
            rows.append(row.model_copy(update={"prediction": told}))
            false = (i + 1) * wrong // n > i * wrong // n
            verdict = "reject" if false else "confirm"
            said.append(make_feedback(f"key-{number}", number, verdict=verdict, at=self.now))
        self.store.add_predictions(rows)
        self.store.add_feedback(said)

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    @property
    def monitoring(self) -> Monitoring:
        return Monitoring(
            self.store, self.bundles, self.params, "tester", self.now, self._look_at_drift
        )

    def answer_some(self, bundle: str = A) -> None:
        """Keep an answer and let a minute pass, so that there is something to look at."""
        self.answer(1, bundle=bundle, audit=False)
        self.later(minutes=1)

    def run(self) -> MonitorReport:
        """One run of the command, without its files."""
        report, _ = self.monitoring.look()
        self.monitoring.act(report)
        return report

    def withheld(self, version: str = A) -> set[str]:
        """Labels of the one target that are withheld."""
        found = self.bundles.find_deployment()
        assert found is not None
        return set(found.withheld_of(version).get("category", {}))

    def lines(self, action: str) -> list[Event]:
        """Of the audit log, the oldest first."""
        return list(reversed(self.store.events(1_000, action)))

    def _look_at_drift(self, folder: Path, since: datetime, until: datetime) -> Looked:
        self.looks.append((since, until))
        if isinstance(self.drift, Exception):
            raise self.drift
        report = self.drift or drift_report("nothing")
        return report, empty_window(), empty_window()


def drift_report(action: str, *, enough: bool = True) -> DriftReport:
    """A report that ends in this action."""
    moved = action != "nothing"
    check = Check(
        name="language", side="input", effect_name="w", effect=0.4 if moved else 0.01, limit=0.1,
        p_value=0.0001, adjusted=0.0001, drifted=moved,
    )  # fmt: skip
    return DriftReport.model_validate(
        {
            "reference": WindowFacts(name="reference", tickets=500),
            "current": WindowFacts(name="now", tickets=500),
            "enough": enough,
            "rules": Rules(),
            "checks": (check,) if enough else (),
            "action": action,
            "reasons": (f"in words: {action}",),
        }
    )


def empty_window() -> Window:
    """A window without tickets."""
    return make_window(WindowFacts(name="none", tickets=0), [], ids=[], languages=[])


def champion_alone(bundles: FolderStore) -> None:
    """Publish one champion."""
    publish(bundles, deployment(A))
