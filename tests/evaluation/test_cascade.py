"""The cascade on the test split: counted by hand on a few tickets."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evaluation.card import render_card
from evaluation.cascade import TwoTiers, answer_tiers, cascade_check, measure_cascade
from evaluation.files import Evaluation, metrics_of
from evaluation.intervals import exact_interval
from evaluation.metrics import Outcomes
from evaluation.report import render_report
from models.cascade import joined
from tests.models.cascades import make_cascade

CLASSES = ("a", "b")
ROUTING = {
    "accuracy": 0.95,
    "classes": {
        name: {"certified": True, "threshold": 0.8, "lower_bound": 0.951, "reason": "certified"}
        for name in CLASSES
    },
}
MakeEvaluation = Callable[..., Evaluation]


def answers(*sure_of_b: float) -> np.ndarray:
    told = np.array(sure_of_b)
    return np.column_stack([1 - told, told])


#                  same   stops  label  more   less   goes on
FIRST = answers(0.95, 0.98, 0.97, 0.96, 0.60, 0.40)
ALONE = answers(0.90, 0.95, 0.10, 0.70, 0.85, 0.30)
ROUTED = np.array([True, True, True, False, True, False])
STOPPED = np.array([True, True, True, True, False, False])
BOTH = np.array([True, True, True, True, False, False])
LABELS = np.array([1, 0, 0, 1, 1, 0])


def measured() -> dict[str, object]:
    tiers = TwoTiers(joined(FIRST, ALONE, STOPPED), STOPPED, BOTH, {"a": None, "b": 0.94}, ROUTING)
    return measure_cascade(Outcomes(LABELS, ALONE, ROUTED), tiers, CLASSES)


def test_every_kind_of_difference_is_counted_once() -> None:
    found = measured()
    assert (found["different"], found["agreement"]) == (3, 0.5)
    kinds = ("other_label", "only_cascade_routes", "only_ensemble_routes")
    assert [found[kind] for kind in kinds] == [1, 1, 1]
    assert found["agreement_ci"] == exact_interval(3, 6)
    assert found["stopped"] == pytest.approx(4 / 6)


def test_what_both_tiers_route_is_judged_by_the_labels() -> None:
    found = measured()
    assert found["certified_automation"] == pytest.approx(4 / 6)
    assert (found["automatic_accuracy"], found["automatic_accuracy_ci"]) == (
        0.5,
        exact_interval(2, 4),
    )
    a, b = found["classes"]
    assert (a["label"], a["automatic"], a["stopped"], a["stops_at"]) == ("a", 0, 0, None)
    assert (b["automatic"], b["errors"], b["stopped"], b["stopped_errors"]) == (4, 2, 4, 2)
    assert (b["stops_at"], b["threshold"], b["lower_bound"]) == (0.94, 0.8, 0.951)
    assert b["verdict"] == "broken"


def test_tiers_answer_as_the_assistant_decides() -> None:
    cascade = make_cascade(topic=0.9)
    languages = ["en", "en", "de", "en", "en", "en"]
    novel = np.array([True, False, False, False, True, False])
    second = answers(0.9, 0.9, 0.9, 0.9, 0.9, 0.7)
    found = answer_tiers(cascade, {"topic": FIRST}, {"topic": second}, languages, novel)["topic"]
    # Nobody looks whether what stopped is novel; German goes on, and to a person.
    assert found.stopped.tolist() == [True, True, False, True, False, False]
    assert found.automatic.tolist() == [True, True, False, True, False, False]
    np.testing.assert_array_equal(found.probabilities[0], [0, 1])
    np.testing.assert_array_equal(found.probabilities[2], second[2])
    assert len(found.take(np.array([0, 2])).stopped) == 2


def test_the_report_and_the_card_tell_of_it(make_evaluation: MakeEvaluation) -> None:
    plain = make_evaluation()
    assert "Decided by the linear member alone" not in render_report(plain)
    assert "linear member alone" not in render_card(plain)
    assert metrics_of(plain)["cascade"] == {}
    topic = plain.targets["topic"]
    figures = {**topic.figures, "cascade": measured()}
    tiers = {"seconds_per_1000": 4.2, "seconds_per_1000_alone": 9.1, "stopped": 0.5}
    told = make_evaluation(targets={"topic": replace(topic, figures=figures)}, tiers=tiers)
    page, card = render_report(told), render_card(told)
    for words in (
        "decides about 66.7\u00a0% of the tickets",
        "50.00\u00a0% (11.81–88.19) of all",
        "3 of 6 are not",
        "route 66.7\u00a0%, 50.0\u00a0% (6.8–93.2) of those",
    ):
        assert words in page
        assert words.replace("\u00a0", " ") in card
    assert "take 4.2&nbsp;s on one thread, 9.1&nbsp;s" in page
    assert "Decisions about 1,000 tickets: 4.2 s, 9.1 s" in card
    assert metrics_of(told)["cascade"] == tiers
    assert metrics_of(told)["targets"]["topic"]["cascade"]["different"] == 3


def test_nothing_is_said_where_there_is_no_cascade() -> None:
    assert cascade_check({"accuracy": 0.9}) == ""
