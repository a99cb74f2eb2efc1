"""A period in sentences: what changed, and what to do next."""

from collections.abc import Iterator

from evaluation.live import Estimate
from evaluation.period_events import PeriodEvents, Trial
from evaluation.period_facts import Quality, TargetFacts

NOTICED = 0.02
"""Difference in automation from which it is told as a change."""

MORE = 0.1
"""Difference in tickets from which it is told as a change, of those before."""

FEW = 50
"""Audited answers below which an accuracy says little: of 50 right ones 0.89 to 1 remains."""

SILENT = 0.2
"""Share of audited tickets without an answer from which people are asked to answer them."""

CHANGES = ("promotion", "rollback", "certificate.withheld", "certificate.restored",
           "gate.overridden", "feedback.revoked")  # fmt: skip

DRIFT = {
    "adjust_priors": "The classes come in other shares than the model learned: answer the audit "
    "queue and retrain soon.",
    "relabel": "Tickets have changed: label those that the newest drift report names.",
    "retrain": "Tickets have changed and answers are worse for it: retrain now.",
}

NOTHING_TO_DO = "Nothing needs to be done."


def tell_changes(
    now: TargetFacts | None, before: TargetFacts | None, events: PeriodEvents
) -> tuple[str, ...]:
    """What is different from as long a time before, in sentences."""
    told = list(_compare(now, before)) if now and before else []
    for one in events.happenings:
        if one.action in CHANGES:
            why = f" ({one.reasons[0].rstrip('.')})" if one.reasons else ""
            about = "" if one.action.startswith("certificate") else f": {one.subject}"
            told.append(f"{one.at:%d %b}: {one.told}{about}{why}.")
    if now and not before:
        told.append("There are no tickets of the time before to compare with.")
    return tuple(told) or ("Nothing that was shown to be more than chance.",)


def advise(first: TargetFacts | None, quality: Quality, events: PeriodEvents) -> tuple[str, ...]:
    """What to do next, the most pressing first."""
    told = [
        f"{one.target}: {one.label} goes to people since {one.since:%d %b}: correct its tickets "
        "and retrain, or restore it where the reason is gone."
        for one in events.withheld
    ]
    if events.drift and events.drift[-1].action in DRIFT:
        told.append(DRIFT[events.drift[-1].action])
    told += [line for trial in events.trials if (line := _about(trial))]
    if events.waiting:
        told.append(
            f"Feedback is held back in {_number(len(events.waiting), 'batch', 'batches')}: look at "
            f"it (python -m pipelines.feedback show {events.waiting[-1]}), release or revoke it."
        )
    ended = [one for one in events.happenings if one.action == "retrain.finished"]
    if ended and ended[-1].told.endswith(("failed", "refused")):
        why = f": {ended[-1].reasons[0]}" if ended[-1].reasons else "."
        told.append(f"The last retrain brought no new model{why}")
    if first is None:
        told.append("No ticket came: if that is not meant, look whether the service is asked.")
    else:
        told += _about_evidence(first, events)
    if quality.proposals:
        told.append(
            f"People named {_number(len(quality.proposals), 'label', 'labels')} that no model "
            "knows: decide whether to teach them (python -m pipelines.feedback labels)."
        )
    return tuple(told) or (NOTHING_TO_DO,)


def _compare(now: TargetFacts, before: TargetFacts) -> Iterator[str]:
    change = now.tickets / before.tickets - 1
    if abs(change) >= MORE:
        word = "More" if change > 0 else "Fewer"
        yield f"{word} tickets: {now.tickets:,}, {before.tickets:,} before ({change:+.0%})."
    if now.automation is not None and before.automation is not None:
        apart = now.automation - before.automation
        if abs(apart) >= NOTICED:
            word = "More" if apart > 0 else "Fewer"
            yield (
                f"{word} routed without a person: {now.automation:.0%}, {before.automation:.0%} "
                "before."
            )
    yield from _compare_right(now.automatic_right, before.automatic_right)


def _compare_right(now: Estimate, before: Estimate) -> Iterator[str]:
    """Told only where the two intervals are apart, which chance alone seldom brings about."""
    if now.low > before.high:
        word = "better"
    elif now.high < before.low:
        word = "worse"
    else:
        return
    yield (
        f"Automatic answers became {word}: {now.low:.0%} to {now.high:.0%} right, "
        f"{before.low:.0%} to {before.high:.0%} before."
    )


def _about(trial: Trial) -> str | None:
    if trial.ended is not None:
        return None
    if trial.outcome == "better":
        return (
            f"The model on trial is better: promote it (python -m pipelines.experiment promote "
            f"{trial.version})."
        )
    if trial.outcome == "worse":
        return (
            "The model on trial is worse: stop it (python -m pipelines.experiment stop "
            f"{trial.version})."
        )
    return None


def _about_evidence(first: TargetFacts, events: PeriodEvents) -> Iterator[str]:
    silent = first.audited - first.answered
    if silent > SILENT * first.audited:
        yield (
            f"Answer the audit queue: nobody said whether {silent:,} of {first.audited:,} audited "
            "tickets were right."
        )
    elif first.automatic_right.rows < FEW:
        yield (
            f"Audit more: {first.automatic_right.rows} audited automatic answers are too few to "
            "tell how good they are."
        )
    if not events.watched:
        yield "Nobody watched the answers: run python -m pipelines.schedule."


def _number(n: int, one: str, several: str) -> str:
    return f"{n:,} {one if n == 1 else several}"
