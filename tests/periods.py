"""Two months of invented tickets with everything that a report may have to tell."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from data.schema import Prediction, TargetPrediction, Ticket
from data.store import Event, Feedback, Store, StoredPrediction

OCTOBER, NOVEMBER, DECEMBER = (datetime(2026, month, 1, tzinfo=UTC) for month in (10, 11, 12))
OLD, NEW = "20261001-aaaa", "20261112-bbbb"
LABELS = {"category": ("network", "printer", "account", "mail"), "severity": ("low", "high")}


def log(store: Store, at: datetime, kind: str, subject: str, *reasons: str, **detail: Any) -> None:
    """A line of the audit log."""
    facts = {"reasons": list(reasons), **detail}
    store.log(Event(at=at, actor="clock", action=kind, subject=subject, detail=facts))


def fill(
    store: Store, since: datetime, until: datetime, right: float, seed: int, share: float = 0.7,
    gap: timedelta = timedelta(minutes=55), audit: float = 0.15, bundle: str = OLD,
) -> None:  # fmt: skip
    """Tickets one after the other, so many automatic and right; people answer most of the audit."""
    random = np.random.default_rng(seed)
    store.know_bundle(bundle, LABELS)
    rows, said = [], []
    moment, number = since + gap / 2, seed * 1_000_000
    while moment < until:
        number += 1
        category = str(random.choice(LABELS["category"]))
        automatic = random.random() < share
        audited = random.random() < audit
        rows.append(
            StoredPrediction(
                id=f"{number:032x}",
                at=moment,
                ticket=Ticket(id=f"t-{number}", text="invented"),
                prediction=Prediction(
                    ticket_id=f"t-{number}", bundle=bundle, fallback=False, language="en",
                    targets={
                        "category": TargetPrediction(
                            label=category, confidence=0.9,
                            decision="auto" if automatic else "review",
                            reason="certified" if automatic else "below_threshold",
                        ),
                        "severity": TargetPrediction(
                            label="low", confidence=0.6, decision="review",
                            reason="class_not_certified",
                        ),
                    },
                ),
                arm="champion", propensity=1, audit=audited, audit_propensity=audit,
            )
        )  # fmt: skip
        if audited and random.random() < 0.9:
            fine = random.random() < (right if automatic else 0.7)
            other = next(label for label in LABELS["category"] if label != category)
            said += [
                Feedback(
                    key=f"{number}-{author}", prediction_id=f"{number:032x}", target="category",
                    verdict="confirm" if fine else "correct", label=None if fine else other,
                    author=author, at=moment + timedelta(hours=3),
                )
                for author in ("ann", "ben")[: 1 + (number % 4 == 0)]
            ]  # fmt: skip
        moment += gap
    store.add_predictions(rows)
    store.add_feedback(said)


def tell_november(store: Store) -> None:
    """What happened in November beside the tickets."""
    day = timedelta(days=1)
    quiet = {"action": "nothing", "enough": True, "checks": [], "effects": {}}
    for number in range(1, 10):
        log(store, NOVEMBER + number * day, "drift.checked", OLD, "No difference matters.", **quiet)
    moved = {**quiet, "action": "relabel", "checks": ["embedding.mmd"], "effects": {}}
    for number in range(10, 13):
        told = "Tickets of printer are unlike those learned from; people should label 50 of them."
        log(store, NOVEMBER + number * day, "drift.checked", OLD, told, **moved)
    for number in range(13, 29):
        log(store, NOVEMBER + number * day, "drift.checked", NEW, "No difference matters.", **quiet)
    log(store, NOVEMBER + 10 * day, "alert.drift", OLD, "Tickets of printer have changed.")
    lost = "61 of 70 audited automatic tickets right, 0.780 to 0.937 where 0.95 was promised."
    for kind in ("alert.certificate", "certificate.withheld"):
        log(store, NOVEMBER + 8 * day, kind, OLD, lost, target="category", label="mail")
    log(
        store,
        NOVEMBER + 20 * day,
        "certificate.withheld",
        NEW,
        lost,
        target="category",
        label="account",
    )
    log(
        store,
        NOVEMBER + 11 * day,
        "retrain.finished",
        NEW,
        "the gate passed it",
        outcome="challenger",
    )
    log(store, NOVEMBER + 11 * day, "gate.decided", NEW, "No rule refuses it.", passed=True)
    log(
        store,
        NOVEMBER + 11 * day,
        "experiment.started",
        NEW,
        "retrained",
        part="challenger",
        share=0.1,
    )
    log(store, NOVEMBER + 14 * day, "experiment.verdict", NEW,
        "category: 1.2 to 4.0 points more are right.", outcome="better",
        part="challenger")  # fmt: skip
    log(store, NOVEMBER + 15 * day, "promotion", NEW, "the verdict was better")
    log(
        store,
        NOVEMBER + 22 * day,
        "experiment.started",
        "20261122-cccc",
        "retrained",
        part="shadow",
    )
    log(store, NOVEMBER + 25 * day, "experiment.verdict", "20261122-cccc",
        "category: at least 0.4 points fewer are right.", outcome="worse",
        part="shadow")  # fmt: skip
    log(
        store,
        NOVEMBER + 17 * day,
        "feedback.quarantined",
        "20261117-1",
        "40 corrections of one author in an hour.",
    )
    log(store, NOVEMBER + 18 * day, "feedback.revoked", "20261117-1", "a script went wrong")
    log(
        store,
        NOVEMBER + 24 * day,
        "feedback.quarantined",
        "20261124-1",
        "Nearly all of account was corrected to mail.",
    )
    for number in range(28):
        log(store, NOVEMBER + number * day, "live.checked", OLD, targets={})


def two_months(store: Store) -> None:
    """October as it was, and November with a better model from the 15th on."""
    fill(store, OCTOBER, NOVEMBER, right=0.93, seed=1, share=0.62)
    middle = NOVEMBER + timedelta(days=15)
    fill(store, NOVEMBER, middle, right=0.93, seed=2, share=0.6)
    fill(store, middle, DECEMBER, right=0.985, seed=3, share=0.78, bundle=NEW)
    tell_november(store)
