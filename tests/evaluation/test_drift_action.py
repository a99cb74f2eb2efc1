"""What is found leads to one thing to do, told in words that need no statistics."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evaluation.drift_action import (
    choose_action,
    choose_to_label,
    find_kinds,
    tell_accuracy,
    tell_check,
    tell_rarer,
    tell_shares,
)
from evaluation.drift_report import (
    AccuracyEstimate,
    Check,
    ConceptShift,
    Estimate,
    LabelShift,
    Rules,
)
from evaluation.drift_window import UNKNOWN
from tests.windows import draw_window


def check(name: str, side: str = "input", *, drifted: bool = True, **facts: float) -> Check:
    return Check(
        name=name, side=side, effect_name="w", effect=0.3 if drifted else 0.01, limit=0.1,
        p_value=1e-9, adjusted=1e-9, drifted=drifted, facts=facts,
    )  # type: ignore[arg-type]  # fmt: skip


def shift(explains: bool | None, *, drifted: bool = True) -> LabelShift:
    return LabelShift(
        method="em", reference={"a": 0.7, "b": 0.3}, estimated={"a": 0.4, "b": 0.6}, effect=0.3,
        drifted=drifted, explains=explains,
    )  # fmt: skip


def accuracy(now: float, measured: float | None = None, audited: int = 0) -> AccuracyEstimate:
    def about(value: float) -> Estimate:
        return Estimate(value=value, low=value - 0.01, high=value + 0.01)

    return AccuracyEstimate(
        reference=about(0.9), mean_confidence=about(now), by_confidence_change=about(now),
        by_threshold=about(0.2), measured=None if measured is None else about(measured),
        audited=audited, caveat="",
    )  # fmt: skip


def concept(state: str = "not_seen") -> ConceptShift:
    return ConceptShift(state=state, audited=0, told="told of the concept")  # type: ignore[arg-type]


LABELS = check("kind.labels", "output")
VECTORS = check("embedding.classifier", auc=0.7)


@pytest.mark.parametrize(
    ("checks", "shifts", "state", "kinds"),
    [
        ([], {}, "not_seen", ()),
        ([check("length", drifted=False)], {"kind": shift(None, drifted=False)}, "not_seen", ()),
        ([LABELS], {"kind": shift(True)}, "not_seen", ("label",)),
        ([LABELS, VECTORS], {"kind": shift(True)}, "not_seen", ("label",)),
        ([LABELS, VECTORS], {"kind": shift(False)}, "not_seen", ("covariate",)),
        ([LABELS], {"kind": shift(None)}, "not_seen", ("covariate",)),
        ([VECTORS], {}, "seen", ("covariate", "concept")),
        ([check("kind.concept", "truth")], {}, "seen", ("concept",)),
    ],
)
def test_kinds(checks: list[Check], shifts: Any, state: str, kinds: tuple[str, ...]) -> None:
    assert find_kinds(checks, shifts, {"kind": concept(state)}) == kinds


def choose(
    checks: list[Check], kinds: tuple[Any, ...], found: AccuracyEstimate, state: str = "not_seen"
) -> tuple[str, list[str]]:
    return choose_action(
        checks, kinds, {"kind": shift(True)}, {"kind": found}, {"kind": concept(state)}, Rules()
    )


def test_nothing_is_done_where_nothing_moved() -> None:
    action, reasons = choose([], (), accuracy(0.9))
    assert (action, reasons) == ("nothing", ["Tickets and answers are as they were."])


def test_a_loss_that_labels_suggest_is_told_although_nothing_is_done() -> None:
    suspect = check("kind.accuracy", "truth", drifted=False)
    suspect = suspect.model_copy(update={"effect": 0.2, "p_value": 0.02})
    action, reasons = choose([suspect], (), accuracy(0.9, 0.7, 60))
    assert action == "nothing"
    assert "70.0% of 60 audited tickets are right" in reasons[1]
    assert "20 points worse than expected; chance brings that about in 2.0% of cases" in reasons[2]


def test_tickets_that_only_look_different_need_nothing() -> None:
    action, reasons = choose([check("length")], ("covariate",), accuracy(0.89))
    assert action == "nothing"
    assert "look different, the answers do not" in reasons[-1]


def test_tickets_that_look_different_and_are_answered_less_surely_are_labelled() -> None:
    assert choose([check("length")], ("covariate",), accuracy(0.8))[0] == "relabel"


def test_other_contents_are_labelled_although_confidence_holds() -> None:
    assert choose([VECTORS], ("covariate",), accuracy(0.9))[0] == "relabel"


def test_other_shares_adjust_the_priors() -> None:
    action, reasons = choose([LABELS], ("label",), accuracy(0.9))
    assert action == "adjust_priors"
    assert "a from 70% to 40%" in reasons[-3]
    assert reasons[-2].startswith("kind: a became rarer, so fewer of the automatic answers")
    assert "Nothing is adjusted by itself" in reasons[-1]


def test_a_class_a_little_rarer_is_not_named() -> None:
    shift = LabelShift(
        method="em", reference={"a": 0.5, "b": 0.5, "c": 0.0},
        estimated={"a": 0.4, "b": 0.6, "c": 0.0}, effect=0.2,
        drifted=True, explains=True,
    )  # fmt: skip
    assert len(tell_rarer({"kind": shift})) == 1


@pytest.mark.parametrize(("audited", "action"), [(200, "retrain"), (199, "relabel")])
def test_a_loss_that_labels_prove_is_learned_from_if_there_are_enough(
    audited: int, action: str
) -> None:
    lost = check("kind.concept", "truth")
    found, reasons = choose([lost], ("concept",), accuracy(0.9, 0.7, audited), "seen")
    assert found == action
    assert "told of the concept" in reasons


def test_every_check_is_told_in_a_sentence_without_jargon() -> None:
    facts = {"reference": 0.2, "current": 0.4, "reference_median": 90.0, "current_median": 140.0,
             "reference:yes": 0.1, "current:yes": 0.3, "auc": 0.7}  # fmt: skip
    names = [
        "language", "length", "unknown_words", "entities.error_code", "embedding.classifier",
        "embedding.mmd", "kind.labels", "kind.confidence", "kind.decision", "kind.accuracy",
        "kind.concept",
    ]  # fmt: skip
    told = {name: tell_check(check(name, **facts)) for name in names}
    assert len(set(told.values())) == len(names)
    assert all(sentence.endswith(".") for sentence in told.values())
    assert told["entities.error_code"].startswith(
        "30% of the tickets have something of the kind error code, 10%"
    )
    assert "can be told in 70% of cases" in told["embedding.classifier"]
    assert "longer than 140 characters, 90 before" in told["length"]
    assert (
        told["kind.decision"] == "kind: 30% of the tickets are routed without a person, 10% before."
    )
    assert "40% of the words of a ticket, 20% before" in told["unknown_words"]


def test_accuracy_is_told_by_labels_where_there_are_any() -> None:
    assert "of about 80.0% is to be expected" in tell_accuracy("kind", accuracy(0.8))
    assert "of at best 80.0%" in tell_accuracy("kind", accuracy(0.8), unlike=True)
    assert "70.0% of 60 audited" in tell_accuracy("kind", accuracy(0.8, 0.7, 60))


def test_shares_that_did_not_move_are_not_told() -> None:
    assert tell_shares({"kind": shift(None, drifted=False)}) == []


def test_unsure_new_and_diverse_tickets_are_chosen() -> None:
    window = draw_window(np.random.default_rng(0), 400, moved=5.0, audited=0)
    assert window.embeddings is not None
    newness = window.embeddings[:, -1].astype(np.float64)
    chosen = choose_to_label(window, "kind", newness, 20)
    rows = [window.ids.index(name) for name in chosen]
    assert len(set(rows)) == 20
    assert newness[rows].mean() > newness.mean() + newness.std() / 2
    confidence = window.targets["kind"].confidence
    assert confidence[rows].mean() < confidence.mean()
    spread = window.embeddings[rows].std(axis=0).mean()
    surest = np.argsort(-newness)[:20]
    assert spread > window.embeddings[surest].std(axis=0).mean()


def test_what_is_labelled_already_is_not_chosen() -> None:
    window = draw_window(np.random.default_rng(0), 60, audited=40)
    newness = np.arange(60.0)
    chosen = choose_to_label(window, "kind", newness, 50)
    assert sorted(chosen) == sorted(window.ids[40:])
    answers = window.targets["kind"]
    assert answers.truth is not None and (answers.truth[40:] == UNKNOWN).all()
    labelled = replace(window, targets={"kind": replace(answers, truth=np.zeros(60, np.int64))})
    assert choose_to_label(labelled, "kind", newness, 50) == ()


def test_without_vectors_the_unsure_of_every_class_take_turns() -> None:
    window = draw_window(np.random.default_rng(1), 300, audited=0, vectors=False)
    rows = [window.ids.index(name) for name in choose_to_label(window, "kind", None, 9)]
    answers = window.targets["kind"]
    assert np.bincount(answers.predicted[rows]).tolist() == [3, 3, 3]
    least = [answers.confidence[answers.predicted == k].min() for k in range(3)]
    assert set(least) <= set(answers.confidence[rows])
