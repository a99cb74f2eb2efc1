"""Starting, stopping and ending experiments, each with its reasons in the audit log."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import JsonValue

from data.errors import ModelError
from data.store import Event, Query, Store
from evaluation.duel import Part
from evaluation.judgement import Believed
from evaluation.live import check_live
from evaluation.verdicts import Verdict
from models.bundle import load
from models.deployment import Deployment
from models.publishing import BundleStore
from models.registry import Registry
from pipelines import deploying
from pipelines.decisions import admit, champion_of
from pipelines.experiment_params import ExperimentParams
from pipelines.experiment_state import (
    BUNDLE_CACHE,
    Experiment,
    Status,
    find_running,
    newest_by_subject,
)
from pipelines.live_check import find_accuracy
from pipelines.rehearsal import Assistant, Rehearsal, logged_tickets, rehearse

logger = logging.getLogger(__name__)

Check = Callable[[Path], tuple[Any, Assistant]]
"""Verifies a bundle and constructs its assistant; `models.bundle.load`."""


@dataclass(frozen=True)
class Acts:
    """Everything an act needs; each method says in words what it did."""

    registry: Registry
    bundles: BundleStore
    store: Store
    params: ExperimentParams
    actor: str
    check: Check = load
    believed: Believed | None = None
    """Feedback that may count; all where left out."""

    def start(
        self, version: str, part: Part, share: float, override: str | None = None
    ) -> list[str]:
        """Let a candidate compete or watch, once it has answered logged tickets.

        Raises
        ------
        ModelError
            If the rehearsal, or for a challenger the gate, refuses it and no reason is given, or as
            `promote` does. Nothing has moved then.
        BundleError
            If the bundle cannot be loaded.
        """
        rehearsal = self.rehearse(version)
        reasons = rehearsal.tell()
        detail = {"part": part, "share": share, "rehearsal": rehearsal.model_dump(mode="json")}
        if rehearsal.refused and override is None:
            self.log("experiment.refused", version, reasons, **detail)
            raise ModelError(f"{version} is not started: {'; '.join(rehearsal.refused)}")
        if part == "challenger":
            reasons += self._admit(version, override)
        elif override is not None:
            reasons.append(f"started all the same: {override}")
        before = {
            (one.version, one.part): one.since
            for one in find_running(self.bundles.find_deployment(), self.store)
        }
        deployment = self._publish(version, part, share)
        now = {one.version: one.since for one in find_running(deployment, self.store)}
        since = before.get((version, part), now.get(version, deployment.published_at))
        self.log("experiment.started", version, reasons, evidence_since=since.isoformat(), **detail)
        return reasons

    def stop(self, version: str, reasons: Sequence[str]) -> list[str]:
        """End the part of a challenger or shadow.

        Raises
        ------
        ModelError
            If it is the champion, or has no part.
        """
        deploying.stop(self.registry, self.bundles, version, self.check)
        self.log("experiment.stopped", version, reasons)
        return [f"stopped {version}", *reasons]

    def promote(self, version: str, status: Status, override: str | None = None) -> list[str]:
        """Let a challenger or shadow that is better take the champion's place.

        Raises
        ------
        ModelError
            If no experiment with it is running, its verdict is not `better` or the gate refuses it,
            and no reason is given. Nothing has moved then.
        """
        experiment = status.find(version)
        if experiment is None:
            known = ", ".join(one.version for one in status.experiments) or "none"
            raise ModelError(f"no experiment with {version} is running; running: {known}")
        verdict = experiment.verdict
        if verdict.outcome != "better" and override is None:
            raise ModelError(
                f"{version} is not promoted, the verdict is {verdict.outcome!r}: "
                f"{'; '.join(verdict.reasons)}; wait, or give a reason with --override"
            )
        reasons = [f"verdict: {verdict.outcome}", *verdict.reasons]
        reasons += self._admit(version, override)
        if override is not None:
            reasons.insert(0, f"promoted by {self.actor}: {override}")
        self._publish(version, "champion", 1.0)
        self.log(
            "promotion",
            version,
            reasons,
            former=verdict.champion,
            verdict=verdict.outcome,
            former_accuracy=self._former_accuracy(verdict),
        )
        return [f"promoted {version}", *reasons]

    def _former_accuracy(self, verdict: Verdict) -> dict[str, JsonValue]:
        """What the new champion is held against: bounds of the accuracy of the one before."""
        found = {target: one.champion for target, one in verdict.targets.items()}
        if found:
            return {target: [one.low, one.high] for target, one in found.items()}
        # Promoted before anything was compared: all that was ever audited of the former one.
        alpha = self.params.verdict.alpha
        known = find_accuracy(self.store, verdict.champion, alpha, self.believed)
        return {target: [low, high] for target, (low, high) in known.items()}

    def rollback(self, reasons: Sequence[str]) -> list[str]:
        """Let the former champion answer again in the place of the present one."""
        before = self.bundles.find_deployment()
        after = deploying.rollback(self.registry, self.bundles, self.check)
        line = deploying.tell_rollback(before, after, reasons, self.actor)
        self.store.log(line)
        return [f"rolled back to {line.subject}", *reasons]

    def automatic(self, status: Status) -> list[str]:
        """What the settings allow: stop what is worse, promote what is better, or go back.

        Every verdict that differs from the last one logged is logged first. One champion changes at
        most; experiments are looked at again by the next run then, against the new one.
        """
        done: list[str] = []
        for one in status.experiments:
            self._note(one)
        if "rollback" in self.params.automatic and (why := self.find_regress()):
            return self.rollback(why)
        for one in status.experiments:
            outcome = one.verdict.outcome
            if outcome == "worse" and "stop" in self.params.automatic:
                done += self.stop(one.version, one.verdict.reasons)
        if "promote" not in self.params.automatic:
            return done
        for one in status.experiments:
            if one.verdict.outcome != "better" or one.part != "challenger":
                continue
            try:
                return [*done, *self.promote(one.version, status)]
            except ModelError as error:
                logger.warning("not promoted: %s", error)
                done.append(str(error))
        return done

    def find_regress(self) -> list[str]:
        """Why the champion is worse than the former one was shown to be; empty if it is not.

        The interval of its accuracy since its promotion lies below that of the former champion when
        it was replaced. Both hold at every moment, of different times: a world that became harder
        looks the same, and the former champion is then not better either.
        """
        version = champion_of(self.bundles)
        promoted = newest_by_subject(self.store, "promotion").get(version or "")
        former = promoted.detail.get("former_accuracy") if promoted else None
        if version is None or promoted is None or not isinstance(former, dict):
            return []
        rows = self.store.stream(Query(bundle=version, audit=True, since=promoted.at))
        report = check_live(rows, alpha=self.params.verdict.alpha, believed=self.believed)
        live = report.bundles.get(version)
        worse = []
        for target, measured in (live.targets if live else {}).items():
            match former.get(target):
                case [float(low), float(high)] if measured.accuracy.high < low:
                    worse.append(
                        f"{target}: accuracy {measured.accuracy.low:.3f} to "
                        f"{measured.accuracy.high:.3f} since the promotion, {low:.3f} to "
                        f"{high:.3f} under the champion before"
                    )
        return worse

    def rehearse(self, version: str) -> Rehearsal:
        """Let a candidate answer logged tickets of the champion.

        Raises
        ------
        ModelError
            If it is neither in the bundle store nor registered.
        BundleError
            If it cannot be loaded.
        """
        champion, rules = champion_of(self.bundles), self.params.rehearsal
        logged = logged_tickets(self.store, champion, rules.tickets) if champion else []
        with TemporaryDirectory() as folder:
            place = self.bundles.find(version, BUNDLE_CACHE)
            _, candidate = self.check(place or self.registry.download(version, Path(folder)))
            return rehearse(candidate, logged, rules)

    def log(self, action: str, subject: str, reasons: Sequence[str], **detail: Any) -> None:
        """Append a line with its reasons to the audit log."""
        self.store.log(
            Event(
                at=datetime.now(UTC),
                actor=self.actor,
                action=action,
                subject=subject,
                detail={"reasons": list(reasons), **detail},
            )
        )

    def _note(self, one: Experiment) -> None:
        last = newest_by_subject(self.store, "experiment.verdict").get(one.version)
        verdict = one.verdict
        said = (verdict.outcome, verdict.champion)
        if last is None or (last.detail.get("outcome"), last.detail.get("champion")) != said:
            self.log(
                "experiment.verdict",
                one.version,
                verdict.reasons,
                outcome=verdict.outcome,
                champion=verdict.champion,
                part=one.part,
            )

    def _admit(self, version: str, override: str | None) -> list[str]:
        return admit(self.registry, self.bundles, version, override, self.actor, self.store.log)

    def _publish(self, version: str, part: deploying.Part, share: float) -> Deployment:
        """The one place that gives a bundle a part."""
        if part == "shadow":
            return deploying.promote(
                self.registry, self.bundles, version, part, check=self.check, fraction=share
            )
        return deploying.promote(self.registry, self.bundles, version, part, share, self.check)
