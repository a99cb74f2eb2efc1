"""The audit sample held against the certificates of the bundles that answer.

All audited answers of a bundle count from its first one, so that the intervals hold however often
this runs. A class that somebody restored begins anew with what was answered since.

A withheld class is answered by people, and the audit goes on drawing its tickets as before: those
that would have been routed (reason `certificate_lost`) and that the hash drew are as unbiased a
sample as they were, and what people made of them is told to whoever thinks of restoring it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain

from pydantic import Field

from data.schema import Record
from data.store import Answered, Query, Store
from evaluation.judgement import Believed, judge
from evaluation.live import Estimate, LiveReport, LiveTarget, check_live, estimate, not_evidence
from models.deployment import Deployment, Withheld
from models.publishing import BundleStore
from pipelines.experiment_state import EVENTS, find_promises

Class = tuple[str, str, str]
"""Version of the bundle, target, label."""

RESTORED = "certificate.restored"


class WithheldClass(Record):
    """A class that people route, and what the audit says of the answers it would have routed."""

    bundle: str
    target: str
    label: str
    why: str
    accuracy: Estimate = Field(description="of the audited answers that would have been routed")


class LiveFindings(Record):
    """What the audit sample says of the bundles that answer."""

    report: LiveReport
    lost: dict[str, Withheld] = Field(description="bundle -> classes without their certificate")
    withheld: tuple[WithheldClass, ...]


def check_bundles(
    store: Store,
    bundles: BundleStore,
    deployment: Deployment,
    alpha: float,
    *,
    since: datetime | None = None,
    believed: Believed | None = None,
) -> LiveFindings:
    """Live figures of champion and challengers, and the state of every certificate.

    The store is read row by row; of an audited answer of one target about 2 KiB are kept until all
    are read (20,000 of them: 38 MiB and 4 seconds, measured on one core).

    Parameters
    ----------
    since : answers before are passed over; name the same moment in every run
    believed : feedback that may count; all where left out
    """
    versions = answering(deployment)
    promises = {version: find_promises(bundles, version) for version in versions}
    restored = newest_of_class(store, RESTORED)
    would_be = _WouldBe(restored, believed)

    def read(version: str, start: datetime | None) -> Iterator[Answered]:
        return map(_slim, store.stream(Query(bundle=version, audit=True, since=start)))

    rows = chain.from_iterable(read(version, since) for version in versions)
    report = check_live(would_be.noting(rows), promises, alpha=alpha, believed=believed)
    lost: dict[str, Withheld] = {}
    for version, found in report.bundles.items():
        for target, labels in found.lost.items():
            for label, told in labels.items():
                why: str | None = told
                moment = restored.get((version, target, label))
                if moment is not None:
                    after = read(version, moment)
                    anew = check_live(after, promises, alpha=alpha, believed=believed)
                    why = _lost(anew, version).get(target, {}).get(label)
                if why is not None:
                    lost.setdefault(version, {}).setdefault(target, {})[label] = why
    return LiveFindings(report=report, lost=lost, withheld=would_be.tell(deployment, alpha))


def find_accuracy(
    store: Store, version: str, alpha: float, believed: Believed | None = None
) -> dict[str, tuple[float, float]]:
    """Target -> bounds of the accuracy of a bundle, on all audited answers it ever told."""
    rows = map(_slim, store.stream(Query(bundle=version, audit=True)))
    found = check_live(rows, alpha=alpha, believed=believed).bundles.get(version)
    targets = found.targets if found else {}
    return {name: (one.accuracy.low, one.accuracy.high) for name, one in targets.items()}


def answering(deployment: Deployment) -> tuple[str, ...]:
    """Versions whose answers are told: the champion's and the challengers'."""
    champion = (deployment.champion,) if deployment.champion else ()
    return tuple(arm.version for arm in (*champion, *deployment.challengers))


def newest_of_class(store: Store, action: str) -> dict[Class, datetime]:
    """Class -> moment of the newest line of the audit log that speaks of it."""
    found: dict[Class, datetime] = {}
    for event in store.events(EVENTS, action):
        match event.detail:
            case {"target": str(target), "label": str(label)}:
                found.setdefault((event.subject, target, label), event.at)
    return found


def tell_target(name: str, target: LiveTarget) -> list[str]:
    """What is known of a target, in words for people."""
    told = [
        f"{name}: {_percent(target.accuracy)} of {target.answered:,} audited answers are right; "
        f"{_percent(target.automation)} are routed without a person, "
        f"of these {_percent(target.automatic_accuracy)} are right."
    ]
    if silent := target.audited - target.answered:
        told.append(
            f"{name}: nobody said whether {silent:,} of {target.audited:,} audited answers were "
            f"right; if all or none were, {target.worst_case.low:.1%} to "
            f"{target.worst_case.high:.1%} of all are."
        )
    told += [
        f"{name} {one.label}: {one.why}."
        for one in target.classes
        if one.state in {"lost", "warning"}
    ]
    return told


def tell_withheld(one: WithheldClass) -> str:
    """What is withheld and why, and what the audit has shown since, in words for people."""
    return (
        f"{one.bundle}: {one.target} {one.label} is withheld ({one.why}); since then "
        f"{_percent(one.accuracy)} of {one.accuracy.rows:,} audited answers that would have been "
        "routed are right."
    )


def _percent(found: Estimate) -> str:
    if found.value is None:
        return "an unknown share"
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


def _lost(report: LiveReport, version: str) -> dict[str, dict[str, str]]:
    found = report.bundles.get(version)
    return {} if found is None else found.lost


def _slim(row: Answered) -> Answered:
    """The row without what says nothing of the accuracy: it is held until all are read."""
    prediction = row.stored.prediction
    bare = {"shortlist": (), "words": (), "evidence": ()}
    targets = {name: one.model_copy(update=bare) for name, one in prediction.targets.items()}
    slim = prediction.model_copy(update={"targets": targets})
    return row.model_copy(update={"stored": row.stored.model_copy(update={"prediction": slim})})


class _WouldBe:
    """Notes the audited answers that would have been routed, on their way to the check."""

    def __init__(self, restored: Mapping[Class, datetime], believed: Believed | None) -> None:
        self._restored = restored
        self._believed = believed
        self._seen: dict[Class, list[tuple[float, float]]] = defaultdict(list)

    def noting(self, rows: Iterable[Answered]) -> Iterator[Answered]:
        for row in rows:
            if not_evidence(row) is None:
                self._note(row)
            yield row

    def _note(self, row: Answered) -> None:
        stored = row.stored
        for target, answer in stored.prediction.targets.items():
            if answer.reason != "certificate_lost":
                continue
            key = (stored.prediction.bundle, target, answer.label)
            judgement = judge(row, target, self._believed)
            begun = self._restored.get(key)
            if judgement is not None and (begun is None or stored.at >= begun):
                self._seen[key].append((float(judgement.right), stored.audit_propensity))

    def tell(self, deployment: Deployment, alpha: float) -> tuple[WithheldClass, ...]:
        """The classes withheld now of bundles with a part."""
        told = []
        for version in deployment.versions:
            for target, labels in deployment.withheld_of(version).items():
                for label, why in labels.items():
                    pairs = self._seen[version, target, label]
                    told.append(
                        WithheldClass(
                            bundle=version,
                            target=target,
                            label=label,
                            why=why,
                            accuracy=estimate(
                                [right for right, _ in pairs], [drawn for _, drawn in pairs], alpha
                            ),
                        )
                    )
        return tuple(told)
