"""From what moved to what is to be done, in words of those who do it."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from evaluation.drift_report import (
    AccuracyEstimate,
    Action,
    Check,
    ConceptShift,
    Kind,
    LabelShift,
    Rules,
)
from evaluation.drift_window import UNKNOWN, Window

POOL = 5
"""Of so many tickets one is considered for labelling; of those, the most diverse are chosen."""

SUSPECT = 0.05
"""P-value at which a loss is told of although it is not proven."""

RARER = 2 / 3
"""Share of a class now over that before, from which on its certificate is in doubt: with 95 % right
before, about 93 % are then, if what is mistaken for it comes as before."""

MINOR = ("language", "length", "unknown_words", "entities")
"""Checks of the tickets alone, which do not say that an answer suffers."""


def find_kinds(
    checks: Sequence[Check],
    label_shift: Mapping[str, LabelShift],
    concept: Mapping[str, ConceptShift],
) -> tuple[Kind, ...]:
    """What has moved.

    Label shift where a target's classes come in new shares and those explain everything that was
    flagged; covariate shift where tickets or answers moved and they do not, or nothing can tell;
    concept shift where audited labels show it.
    """
    kinds: list[Kind] = []
    moved = any(check.drifted and check.side != "truth" for check in checks)
    if moved and any(shift.drifted and shift.explains for shift in label_shift.values()):
        kinds.append("label")
    elif moved:
        kinds.append("covariate")
    if any(found.state == "seen" for found in concept.values()):
        kinds.append("concept")
    return tuple(kinds)


def choose_action(
    checks: Sequence[Check],
    kinds: Sequence[Kind],
    label_shift: Mapping[str, LabelShift],
    accuracy: Mapping[str, AccuracyEstimate],
    concept: Mapping[str, ConceptShift],
    rules: Rules,
) -> tuple[Action, list[str]]:
    """What is to be done, and the reasons for it."""
    reasons = [tell_check(check) for check in checks if check.drifted]
    lost = {check.name.split(".")[0] for check in checks if check.drifted and check.side == "truth"}
    reasons += [found.told for t, found in concept.items() if t in lost or found.state == "seen"]
    if lost:
        labels = max(accuracy[target].audited for target in lost)
        if labels >= rules.labels_to_retrain:
            return "retrain", [
                *reasons,
                f"{labels} audited labels show it, enough to learn from: train a new model.",
            ]
        return "relabel", [
            *reasons,
            f"{labels} audited labels show it, too few to learn from "
            f"({rules.labels_to_retrain} are needed): label the tickets listed first.",
        ]
    if not kinds:
        measured = [t for t, found in accuracy.items() if found.measured is not None]
        return "nothing", [
            "Tickets and answers are as they were.",
            *[tell_accuracy(target, accuracy[target]) for target in measured],
            *[tell_suspicion(check) for check in checks if _is_suspect(check)],
        ]
    unlike = "covariate" in kinds
    reasons += [tell_accuracy(t, found, unlike=unlike) for t, found in accuracy.items()]
    expected = any(_loses(found, rules) for found in accuracy.values())
    if tuple(kinds) == ("label",):
        return "adjust_priors", [*reasons, *tell_shares(label_shift), *tell_rarer(label_shift)]
    if not expected and all(_is_minor(check) for check in checks if check.drifted):
        return "nothing", [
            *reasons,
            "The tickets look different, the answers do not: nothing needs to be done now.",
        ]
    return "relabel", [
        *reasons,
        "Only people can tell whether answers to these tickets are still right: "
        "label the tickets listed first.",
    ]


def tell_check(check: Check) -> str:
    """One difference as a sentence, with no word of any ticket."""
    name, _, part = check.name.partition(".")
    facts = check.facts
    then, now = facts.get("reference", 0.0), facts.get("current", 0.0)
    if part == "classifier":
        return (
            "What the tickets are about has changed: of a ticket of now and one of then, the one "
            f"of now can be told in {facts['auc']:.0%} of cases (50% if nothing had changed)."
        )
    if part == "mmd":
        return f"What the tickets are about has changed (MMD {check.effect:.2f})."
    if name == "entities":
        kind = part.replace("_", " ")
        return (
            f"{_yes(check, 'current')} of the tickets have something of the kind {kind}, "
            f"{_yes(check)} before."
        )
    if name == "language":
        return f"The languages of the tickets have changed: {_moved(check)}."
    if name == "length":
        return (
            f"Half of the tickets are longer than {facts.get('current_median', now):.0f} "
            f"characters, {facts.get('reference_median', then):.0f} before; on average "
            f"{now:.0f}, {then:.0f} before."
        )
    if name == "unknown_words":
        return f"The model has not learned {now:.0%} of the words of a ticket, {then:.0%} before."
    told = {
        "labels": f"the answers come in other shares: {_moved(check)}",
        "confidence": f"the model is sure to {now:.0%} on average, {then:.0%} before",
        "decision": f"{_yes(check, 'current')} of the tickets are routed without a person, "
        f"{_yes(check)} before",
        "accuracy": f"{now:.1%} of the audited answers are right, {then:.1%} on the reference",
        "concept": "on tickets like those before fewer answers are right than their confidence "
        "allows, so what is right has changed",
    }
    return f"{name}: {told[part]}."


def tell_suspicion(check: Check) -> str:
    """What labels suggest without proving it."""
    return (
        f"{check.name.partition('.')[0]}: the audited answers look {100 * check.effect:.0f} points "
        f"worse than expected; chance brings that about in {check.p_value:.1%} of cases, so more "
        "audited tickets are needed to tell."
    )


def tell_accuracy(target: str, found: AccuracyEstimate, *, unlike: bool = False) -> str:
    """What is expected of the accuracy, and how much that is worth.

    Parameters
    ----------
    unlike : tickets are unlike those learned, on which models are surer than they should be
    """
    if found.measured is not None:
        return (
            f"{target}: {found.measured.value:.1%} of {found.audited} audited tickets are right "
            f"({found.measured.low:.1%} to {found.measured.high:.1%})."
        )
    guess = found.by_confidence_change or found.mean_confidence
    return (
        f"{target}: an accuracy of {'at best' if unlike else 'about'} {guess.value:.1%} is to be "
        f"expected ({guess.low:.1%} to {guess.high:.1%}), by confidence alone; nobody has labelled "
        "tickets of this window."
    )


def tell_shares(label_shift: Mapping[str, LabelShift], most: int = 3) -> list[str]:
    """The classes whose shares moved most."""
    told = []
    for target, shift in label_shift.items():
        if not shift.drifted:
            continue
        moved = sorted(
            shift.reference, key=lambda name: -abs(shift.estimated[name] - shift.reference[name])
        )
        shares = ", ".join(
            f"{name} from {shift.reference[name]:.0%} to {shift.estimated[name]:.0%}"
            for name in moved[:most]
        )
        told.append(
            f"{target}: the tickets of each class are as before, in other shares: {shares}."
        )
    return told


def tell_rarer(label_shift: Mapping[str, LabelShift]) -> list[str]:
    """What other shares do to certificates, and what a person does about it.

    Above a threshold, tickets of the class and mistaken ones of others lie in proportion to their
    shares: where the class becomes rarer, a larger part of the automatic answers is wrong.
    """
    told = []
    for target, shift in label_shift.items():
        rarer = [
            name
            for name, before in shift.reference.items()
            if shift.drifted and before > 0 and shift.estimated[name] <= RARER * before
        ]
        if rarer:
            told.append(
                f"{target}: {', '.join(rarer)} became rarer, so fewer of the automatic answers "
                "that name one of these are right than was certified."
            )
    told.append(
        "Nothing is adjusted by itself, because no certificate holds for it: answer the audit "
        "queue, so that the monitor sends to people what falls short, and retrain as soon as "
        "people have labelled tickets of now."
    )
    return told


def choose_to_label(
    window: Window, target: str, newness: NDArray[np.float64] | None, n: int
) -> tuple[str, ...]:
    """Ids of n tickets whose labels would tell most: unsure, unlike the reference, and diverse.

    Of the one in `POOL` tickets with the highest mean rank of uncertainty and newness, but twice n
    at least, the first and then always the one farthest from all chosen (Gonzalez 1985; as in the
    core sets of Sener and Savarese, ICLR 2018). Without vectors, the highest ranks with classes
    taken in turn.

    Parameters
    ----------
    newness : score of the domain classifier for each embedded row, shape (len(embedded),)
    """
    answers = window.targets[target]
    truth = answers.truth
    unlabelled = np.ones(len(window), np.bool_) if truth is None else truth == UNKNOWN
    doubt = 1 - answers.confidence
    if window.embeddings is None or newness is None:
        rows = np.flatnonzero(unlabelled)
        order = rows[np.argsort(-doubt[rows], kind="stable")]
        return tuple(window.ids[row] for row in _in_turn(order, answers.predicted, n))
    places = np.flatnonzero(unlabelled[window.embedded])
    if not len(places):
        return ()
    rank = rankdata(doubt[window.embedded[places]]) + rankdata(newness[places])
    pool = places[np.argsort(-rank, kind="stable")[: max(2 * n, len(places) // POOL)]]
    vectors = window.embeddings[pool].astype(np.float64)
    chosen = [0]
    nearest = np.full(len(pool), np.inf)
    while len(chosen) < min(n, len(pool)):
        nearest = np.minimum(nearest, ((vectors - vectors[chosen[-1]]) ** 2).sum(axis=1))
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return tuple(window.ids[window.embedded[pool[place]]] for place in chosen)


def _in_turn(order: NDArray[np.int64], classes: NDArray[np.int64], n: int) -> list[int]:
    """The first n rows, the best of every class before the second best of any."""
    turn: dict[int, int] = {}
    keyed = []
    for position, row in enumerate(order.tolist()):
        own = int(classes[row])
        turn[own] = turn.get(own, 0) + 1
        keyed.append((turn[own], position, row))
    return [row for _, _, row in sorted(keyed)[:n]]


def _is_minor(check: Check) -> bool:
    return check.name.split(".")[0] in MINOR


def _loses(found: AccuracyEstimate, rules: Rules) -> bool:
    """Whether confidence suggests that accuracy is lost."""
    now = found.by_confidence_change
    return (
        found.reference is not None
        and now is not None
        and found.reference.value - now.value >= rules.accuracy
    )


def _is_suspect(check: Check) -> bool:
    """Whether labels point to a loss that they cannot prove."""
    return check.side == "truth" and check.effect >= check.limit and check.p_value <= SUSPECT


def _yes(check: Check, window: str = "reference") -> str:
    return f"{check.facts.get(f'{window}:yes', 0.0):.0%}"


def _moved(check: Check) -> str:
    """The values that moved most, with their shares."""
    names = [name.partition(":")[2] for name in check.facts if name.startswith("current:")]
    shares = [
        (name, *(check.facts[f"{w}:{name}"] for w in ("current", "reference"))) for name in names
    ]
    return ", ".join(f"{name} {now:.0%} (before {then:.0%})" for name, now, then in shares)
