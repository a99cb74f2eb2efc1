"""What a replay with staged incidents has shown, as JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evaluation.replay_incident_records import Counts, Retrained, Staged, StagedMonth
from evaluation.replay_report import tell_counts

FORMAT = 1
BEFORE = 3
"""Months before a promotion that those after it are held against, at most."""

DRIFTED = "alert.drift"

NOTES = (
    "The incidents are staged: which author says what is wrong and when, which feedback is let go "
    "unread, the wrong export, the promotion against the gate, and when a person rolls back. The "
    "reasons under `events` and those of quarantines, retrains and rollbacks by the product are "
    "the product's own, read from its audit log and its files; a reason that begins with `staged` "
    "was given to a command by the replay.",
    "People are simulated by the known labels and are right but for the author named. Of months, "
    "drift, caps by day and what counts as right all is as in replay.json.",
    "Certificates are looked at once a month here, hourly on a real desk: what took a month until "
    "it was noticed took as many tickets, not as many days.",
    "`former` is the champion before on the same tickets, as a shadow.",
)


def summarise_incidents(
    staged: Staged, name: str, settings: Mapping[str, Any], mislabelled: int
) -> dict[str, Any]:
    """Everything that was played, as it is written to replay_incidents.json.

    Parameters
    ----------
    name, settings : how it was played
    mislabelled : number of the month at whose end the bad bundle was promoted
    """
    return {
        "format": FORMAT,
        "profile": name,
        "settings": dict(settings),
        "notes": list(NOTES),
        "complete": staged.done == staged.planned,
        "seconds": round(staged.seconds),
        "dataset": staged.dataset,
        "target": staged.target,
        "learned_first": staged.first,
        "months_planned": staged.planned,
        "months_done": staged.done,
        "months": [tell_month(month) for month in staged.months],
        "poison": tell_poison(staged),
        "override": tell_override(staged, mislabelled),
        "retrains": [one.model_dump(mode="json") for one in staged.retrains],
        "rollbacks": [one.model_dump(mode="json") for one in staged.rollbacks],
        "events": [event.model_dump(mode="json") for event in staged.events],
        "event_counts": dict(Counter(event.action for event in staged.events)),
    }


def tell_month(month: StagedMonth) -> dict[str, Any]:
    """The figures of one month."""
    return {
        "number": month.number,
        "month": month.facts.month,
        "bundle": month.facts.bundle,
        **tell_counts([month.facts]),
        "former": tell_shares(month.former),
        "answers_of_people": month.facts.answers,
        "wrong_answers": month.wrong_answers,
        "withheld": list(month.withheld),
        "drift": month.facts.drift.model_dump(mode="json"),
        "staged": list(month.staged),
    }


def tell_poison(staged: Staged) -> dict[str, Any]:
    """What of the wrong feedback was held back, learned and taken back."""
    own = [one for one in staged.batches if one.batch in staged.poisoned]
    others = [one for one in staged.batches if one.batch not in staged.poisoned]
    learned = [one for one in staged.retrains if one.wrong_learned]
    revoked = [event for event in staged.events if event.action == "feedback.revoked"]
    after = next(
        (one for one in staged.retrains if revoked and one.month >= revoked[-1].month), None
    )
    return {
        "batches": [one.model_dump(mode="json") for one in own],
        "wrong": sum(one.wrong for one in own),
        "wrong_held": sum(one.wrong_held for one in own),
        "right_held": sum(one.right_held for one in own),
        "honest_batches": len(others),
        "honest_batches_suspected": sum(bool(one.reasons) for one in others),
        "learned_by": [one.model_dump(mode="json") for one in learned],
        "revoked": [event.subject for event in revoked],
        "retrained_without": after.model_dump(mode="json") if after else None,
    }


def tell_override(staged: Staged, mislabelled: int) -> dict[str, Any] | None:
    """The bundle promoted against the gate: how long until it was seen, and what followed.

    None where none was promoted.
    """
    bad = next((one for one in staged.retrains if one.version == staged.bad), None)
    if bad is None:
        return None
    back = next((one for one in staged.rollbacks if one.former == bad.version), None)
    end = back.number if back else staged.done
    first = staged.alerted
    own = [month for month in staged.months if mislabelled < month.number <= end]
    unseen = [month for month in own if first is None or month.number <= first]
    later = [one for one in staged.retrains if back and one.number > back.number]
    return {
        "version": bad.version,
        "promoted_after": bad.month,
        "outcome": bad.outcome,
        "gate": list(bad.reasons),
        "first_drift_alert": _drift_alert(staged, bad.version, mislabelled),
        "months_to_alert": first - mislabelled if first else None,
        "tickets_to_alert": sum(month.facts.tickets for month in unseen) if first else None,
        "withheld": sorted({label for month in own for label in month.withheld}),
        "before": _tell(staged.months, mislabelled - BEFORE, mislabelled),
        "until_alert": _tell(own, mislabelled, first or end),
        "while_withheld": _tell(own, first, end) if first else None,
        "rollback": back.model_dump(mode="json") if back else None,
        "after": _tell(staged.months, back.number, staged.done) if back else None,
        "recovered_by": _promoted(later),
    }


def tell_shares(counts: Counts) -> dict[str, Any]:
    """Counts as shares; null where there was nothing to count."""
    return {
        "tickets": counts.tickets,
        "accuracy": _share(counts.right, counts.tickets),
        "automation": _share(counts.automatic, counts.tickets),
        "automatic_accuracy": _share(counts.automatic_right, counts.automatic),
    }


def _drift_alert(staged: Staged, version: str, mislabelled: int) -> dict[str, Any] | None:
    """The first alert about drift of a bundle, which no certificate has to be lost for."""
    alert = next(
        (one for one in staged.events if (one.action, one.subject) == (DRIFTED, version)), None
    )
    if alert is None:
        return None
    months = [one for one in staged.months if one.number > mislabelled]
    until = [one for one in months if one.facts.month <= alert.month]
    return {
        "month": alert.month,
        "months": len(until),
        "tickets": sum(one.facts.tickets for one in until),
        "reasons": list(alert.reasons),
    }


def _promoted(retrains: Iterable[Retrained]) -> dict[str, Any] | None:
    found = next((one for one in retrains if one.outcome == "promoted"), None)
    return found.model_dump(mode="json") if found else None


def _tell(months: Sequence[StagedMonth], after: int, until: int) -> dict[str, Any]:
    """Figures of the months after one number until another."""
    own = [month for month in months if after < month.number <= until]
    former = Counts(
        tickets=sum(month.former.tickets for month in own),
        right=sum(month.former.right for month in own),
        automatic=sum(month.former.automatic for month in own),
        automatic_right=sum(month.former.automatic_right for month in own),
    )
    return {
        "months": [month.facts.month for month in own],
        **tell_counts([month.facts for month in own]),
        "former": tell_shares(former),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
