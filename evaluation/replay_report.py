"""What a replay has shown: figures by month and year, promotions, false alarms; as JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from evaluation.gate_class_rules import automatic_accuracy, recall
from evaluation.gate_params import GateParams
from evaluation.gate_rows import Answers, Compared
from evaluation.paired import score_interval
from evaluation.replay_records import MonthFacts, Pair, Played, Promotion

FORMAT = 1
CONFIDENCE = 0.95
AFTER = 3
"""Months after a promotion in which the former champion is asked as well, at most."""

REAL = "real"

NOTES = (
    "Months follow each other within minutes. The windows of drift are the moments between which a "
    "month was sent; caps on feedback by day are lifted; the audited tickets of the last days that "
    "the gate looks at are those of the whole replay until then.",
    "People are simulated by the known labels and are always right. They answer the audit sample, "
    "the head of the review queue up to a budget, and the tickets that a look at drift lists; "
    "nothing else of the labels reaches the loop.",
    "What the gate passes answers at once, without an experiment on live tickets before; the "
    "former champion then answers the same tickets as a shadow.",
    "Accuracy counts all tickets, automatic or not, against the first label; a label that a bundle "
    "does not know counts as wrong.",
)


def summarise(
    done: Mapping[str, Played], name: str, profile: Mapping[str, Any], gate: GateParams
) -> dict[str, Any]:
    """Everything that was played, as it is written to replay.json.

    Parameters
    ----------
    done : scenario -> what was played of it
    name, profile : how it was played
    gate : budgets of a class, and how sure one must be that it lost more
    """
    controls = {key: one for key, one in done.items() if key != REAL}
    return {
        "format": FORMAT,
        "profile": name,
        "settings": dict(profile),
        "notes": list(NOTES),
        "complete": all(one.done == one.planned for one in done.values()),
        "seconds": {key: round(one.seconds) for key, one in done.items()},
        "real": tell_real(done[REAL], gate) if REAL in done else None,
        "controls": {key: tell_control(one) for key, one in controls.items()},
    }


def tell_real(played: Played, gate: GateParams) -> dict[str, Any]:
    """The run with real drift."""
    promotions = [tell_promotion(one, played.pairs, gate) for one in played.promotions]
    return {
        **_heading(played),
        "months": [tell_month(month) for month in played.months],
        "years": tell_years(played),
        "looks": {arm: tell_looks(_of(played.months, arm)) for arm in ("fixed", "loop")},
        "events": [event.model_dump(mode="json") for event in played.events],
        "event_counts": dict(Counter(event.action for event in played.events)),
        "promotions": promotions,
        "class_budget": gate.class_budget,
        "class_made_worse": sum(len(one["worse"]) for one in promotions),
    }


def tell_control(played: Played) -> dict[str, Any]:
    """A run without drift: whatever was flagged is a false alarm."""
    looks = tell_looks(played.months)
    lost = [event for event in played.events if event.action == "alert.certificate"]
    alarms = looks["alarms"]
    return {
        **_heading(played),
        "months": [tell_month(month) for month in played.months],
        "looks": looks,
        "false_alarms": {
            "drift": alarms,
            "certificate": len(lost),
            "drift_rate_interval": _exact(alarms, looks["looks"]),
        },
        "events": [event.model_dump(mode="json") for event in played.events],
    }


def tell_month(month: MonthFacts) -> dict[str, Any]:
    """The figures of one month in one arm."""
    return {
        "month": month.month,
        "arm": month.arm,
        "bundle": month.bundle,
        **tell_counts([month]),
        "answers_of_people": month.answers,
        "drift": month.drift.model_dump(mode="json"),
    }


def tell_counts(months: Sequence[MonthFacts]) -> dict[str, Any]:
    """Tickets, accuracy, automation and the accuracy of what was automatic, of several months."""
    tickets = sum(month.tickets for month in months)
    automatic = sum(month.automatic for month in months)
    return {
        "tickets": tickets,
        "accuracy": _share(sum(month.right for month in months), tickets),
        "automation": _share(automatic, tickets),
        "automatic_accuracy": _share(sum(month.automatic_right for month in months), automatic),
    }


def tell_looks(months: Iterable[MonthFacts]) -> dict[str, Any]:
    """How often drift was looked at, and what was said."""
    looked = [month for month in months if month.drift.enough]
    alarms = [month for month in looked if month.drift.action != "nothing"]
    return {
        "looks": len(looked),
        "alarms": len(alarms),
        "first_alarm": alarms[0].month if alarms else None,
        "actions": dict(Counter(month.drift.action for month in looked)),
    }


def tell_years(played: Played) -> list[dict[str, Any]]:
    """Both arms year by year, and what the loop gained: the same tickets, paired.

    Bounds are those of Tango's score interval, each with 95 % confidence by itself.
    """
    years = sorted({month.month[:4] for month in played.months})
    told = []
    for year in years:
        arms = {
            arm: tell_counts([m for m in _of(played.months, arm) if m.month[:4] == year])
            for arm in ("fixed", "loop")
        }
        apart = [one for one in played.apart if one.month[:4] == year]
        n = sum(one.tickets for one in apart)
        loop, fixed = (sum(getattr(o, side) for o in apart) for side in ("only_loop", "only_fixed"))
        low, high = score_interval(n, loop, fixed, CONFIDENCE)
        told.append(
            {
                "year": year,
                **arms,
                "gained": {
                    "accuracy": round((loop - fixed) / n, 4) if n else None,
                    "interval": [round(low, 4), round(high, 4)],
                    "automation": round(
                        (arms["loop"]["automation"] or 0) - (arms["fixed"]["automation"] or 0), 4
                    ),
                },
                "retrains": _count(played, "retrain.finished", year),
                "promotions": sum(one.month[:4] == year for one in played.promotions),
            }
        )
    return told


def tell_promotion(one: Promotion, pairs: Iterable[Pair], gate: GateParams) -> dict[str, Any]:
    """A promotion, and whether a class lost more than its budget in the months after it.

    The former champion answered the same tickets as a shadow; the rules are those of the gate.
    """
    own = [pair for pair in pairs if pair.version == one.version and pair.month > one.month]
    months = sorted({pair.month for pair in own})[:AFTER]
    own = [pair for pair in own if pair.month in months]
    rows = _compared(own)
    labels = sorted({pair.truth for pair in own} | {pair.label for pair in own})
    rules = [*recall(rows, labels, gate), *automatic_accuracy(rows, labels, gate)] if own else []
    return {
        "month": one.month,
        "version": one.version,
        "former": one.former,
        "gate_rows": [loss.model_dump(mode="json") for loss in one.gate],
        "months_after": months,
        "tickets_after": len(own),
        "accuracy_after": _share(sum(pair.label == pair.truth for pair in own), len(own)),
        "former_accuracy_after": _share(
            sum(pair.former_label == pair.truth for pair in own), len(own)
        ),
        "classes_after": [
            {
                "rule": rule.name,
                "label": rule.label,
                "difference": rule.value,
                "interval": rule.interval,
                "within": rule.passed is not False,
                "told": rule.why,
            }
            for rule in rules
        ],
        "worse": [
            *(f"gate: {loss.rule} {loss.label}" for loss in one.gate if not loss.within),
            *(f"after: {rule.name} {rule.label}" for rule in rules if rule.passed is False),
        ],
    }


def _compared(pairs: Sequence[Pair]) -> Compared:
    tickets = {ticket: i for i, ticket in enumerate(dict.fromkeys(p.ticket for p in pairs))}
    sure = np.ones(len(pairs))
    return Compared(
        source="audit",
        target="",
        truth=np.array([pair.truth for pair in pairs], dtype=np.str_),
        groups=np.array([tickets[pair.ticket] for pair in pairs], dtype=np.int64),
        candidate=Answers(
            np.array([pair.label for pair in pairs], dtype=np.str_),
            sure,
            np.array([pair.automatic for pair in pairs], dtype=np.bool_),
        ),
        champion=Answers(
            np.array([pair.former_label for pair in pairs], dtype=np.str_),
            sure,
            np.array([pair.former_automatic for pair in pairs], dtype=np.bool_),
        ),
    )


def _heading(played: Played) -> dict[str, Any]:
    return {
        "dataset": played.dataset,
        "target": played.target,
        "learned_first": played.first,
        "months_planned": played.planned,
        "months_done": played.done,
    }


def _of(months: Iterable[MonthFacts], arm: str) -> list[MonthFacts]:
    return [month for month in months if month.arm == arm]


def _count(played: Played, action: str, year: str) -> int:
    return sum(event.action == action and event.month[:4] == year for event in played.events)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _exact(part: int, whole: int) -> list[float] | None:
    """Clopper and Pearson's interval of a share, at 95 %."""
    if not whole:
        return None
    found = binomtest(part, whole).proportion_ci(CONFIDENCE, method="exact")
    return [round(float(found.low), 4), round(float(found.high), 4)]
