"""A certificate is held against the test split, class by class."""

from typing import Any

import numpy as np
import pytest

from evaluation.certificate import class_table
from evaluation.metrics import Outcomes

CLASSES = ("bug", "wish", "praise", "rest")


def routing(certified: tuple[str, ...]) -> dict[str, Any]:
    fitted = {"threshold": 0.8, "certified": True, "rows": 900, "automatic": 700, "errors": 20}
    return {
        "accuracy": 0.95,
        "classes": {label: fitted | {"lower_bound": 0.955} for label in certified},
    }


def table(errors: dict[str, int], certified: tuple[str, ...] = CLASSES) -> dict[str, Any]:
    """Each class answered 100 times, all automatic, with this many errors."""
    answered = np.repeat(np.arange(4), 100)
    labels = answered.copy()
    for position, name in enumerate(CLASSES):
        wrong = np.flatnonzero(answered == position)[: errors.get(name, 0)]
        labels[wrong] = (position + 1) % 4
    probabilities = np.where(answered[:, None] == np.arange(4), 0.9, 0.03)
    automatic = np.isin(np.asarray(CLASSES)[answered], certified)
    found = class_table(Outcomes(labels, probabilities, automatic), CLASSES, routing(certified))
    return {entry["label"]: entry for entry in found}


def test_the_verdict_weighs_the_promise_against_the_interval() -> None:
    # 95, 92 and 80 of 100 right; Clopper and Pearson put 92 of 100 in [84.8 %, 96.5 %].
    found = table({"bug": 5, "wish": 8, "praise": 20}, ("bug", "wish", "praise"))
    assert found["bug"]["verdict"] == "held"
    assert found["wish"]["verdict"] == "within chance"
    assert found["wish"]["accuracy_ci"] == pytest.approx([0.848, 0.965], abs=0.001)
    assert found["praise"]["verdict"] == "broken"
    assert found["rest"]["verdict"] == "not certified"


def test_a_class_without_certificate_has_nothing_automatic() -> None:
    found = table({}, ("bug",))["wish"]
    assert (found["certified"], found["automatic"], found["accuracy"]) == (False, 0, None)
    assert (found["threshold"], found["lower_bound"]) == (None, None)


def test_a_certified_class_may_meet_no_sure_ticket() -> None:
    outcomes = Outcomes(np.array([0]), np.array([[0.6, 0.4]]), np.array([False]))
    found = class_table(outcomes, ("bug", "wish"), routing(("bug",)))
    assert found[0]["verdict"] == "nothing automatic"


def test_precision_recall_and_f1_follow_the_answers() -> None:
    found = table({"bug": 20})
    assert found["bug"]["precision"] == pytest.approx(0.8)
    assert found["bug"]["recall"] == 1.0
    assert found["wish"]["recall"] == pytest.approx(100 / 120)
    assert found["wish"]["support"] == 120


def test_a_class_that_never_occurs_has_no_ratios() -> None:
    outcomes = Outcomes(np.array([0]), np.array([[0.6, 0.4]]), np.array([False]))
    absent = class_table(outcomes, ("bug", "wish"), routing(()))[1]
    assert (absent["precision"], absent["recall"], absent["f1"]) == (None, None, None)


def test_answers_without_a_policy_have_no_certificate() -> None:
    with pytest.raises(ValueError, match="routing policy"):
        class_table(Outcomes(np.array([0]), np.array([[0.6, 0.4]])), ("a", "b"), routing(()))
