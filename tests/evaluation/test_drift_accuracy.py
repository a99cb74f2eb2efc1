"""Accuracy without labels follows what confidence can see, and labels show the rest."""

import numpy as np
import pytest

from evaluation.drift_accuracy import estimate_accuracy, find_concept_shift, find_loss
from evaluation.drift_report import Rules
from evaluation.drift_window import UNKNOWN, Answers
from tests.windows import draw_window


def answers(random: np.random.Generator, n: int, **changes: object) -> Answers:
    return draw_window(random, n, vectors=False, **changes).targets["kind"]  # type: ignore[arg-type]


def harder(random: np.random.Generator, n: int, ease: float) -> Answers:
    """Calibrated answers, the surer the greater `ease`: right with their own confidence."""
    confidence = 0.5 + 0.5 * random.beta(ease, 1, n)
    predicted = random.integers(0, 2, n)
    right = random.random(n) < confidence
    return Answers(
        ("a", "b"), predicted, confidence, truth=np.where(right, predicted, 1 - predicted)
    )


def test_estimates_follow_harder_tickets_without_their_labels() -> None:
    random = np.random.default_rng(0)
    then, now = harder(random, 4000, 8), harder(random, 4000, 2)
    unseen = Answers(now.classes, now.predicted, now.confidence)
    found = estimate_accuracy(then, unseen, seed=1)
    truth = float(now.correct.mean())
    assert found.reference is not None and found.reference.value - truth > 0.08
    for estimate in (found.mean_confidence, found.by_confidence_change):
        assert estimate is not None
        assert estimate.value == pytest.approx(truth, abs=0.035)
        assert estimate.low <= estimate.value <= estimate.high
    # Thresholded confidence sees the fall and overstates it: that is why it is not acted on.
    assert found.by_threshold is not None
    assert found.by_threshold.value < truth - 0.2
    assert found.measured is None
    assert "without their noticing" in found.caveat


def test_the_intervals_hold_the_accuracy_where_confidence_is_calibrated() -> None:
    held = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        found = estimate_accuracy(harder(random, 400, 6), harder(random, 400, 6), seed)
        truth = float((0.5 + 0.5 * random.beta(6, 1, 200_000)).mean())
        assert found.by_confidence_change is not None
        held.append(found.by_confidence_change.low <= truth <= found.by_confidence_change.high)
    assert np.mean(held) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 60)


def test_estimates_do_not_notice_that_what_is_right_has_changed() -> None:
    """The caveat is true: labels alone show it."""
    random = np.random.default_rng(2)
    found = estimate_accuracy(answers(random, 1500), answers(random, 1500, relabelled=0.5), 3)
    assert found.measured is not None and found.by_threshold is not None
    assert found.by_threshold.value - found.measured.value > 0.1


def test_a_reference_without_labels_leaves_confidence_alone() -> None:
    random = np.random.default_rng(3)
    found = estimate_accuracy(answers(random, 300, audited=0), answers(random, 300), 0)
    assert found.reference is None
    assert found.by_threshold is None and found.by_confidence_change is None
    assert found.measured is not None and found.audited == 300


def test_a_reference_without_an_error_expects_none() -> None:
    sure = Answers(("a",), np.zeros(9, int), np.full(9, 0.9), truth=np.zeros(9, int))
    found = estimate_accuracy(sure, sure, 0)
    assert found.by_threshold is not None
    assert found.by_threshold.value == 1.0


def test_concept_shift_is_told_by_labels_on_tickets_as_before() -> None:
    random = np.random.default_rng(4)
    then, now = answers(random, 1500), answers(random, 800, relabelled=0.4, audited=300)
    found = find_concept_shift("kind", then, now, None, Rules())
    assert found.finding is not None
    assert found.finding.p_value < 1e-4
    assert found.finding.effect > 0.05
    assert found.told.audited == 300


def test_harder_tickets_are_no_concept_shift() -> None:
    """Their confidence is lower, so fewer right answers are to be expected."""
    random = np.random.default_rng(5)
    then, now = harder(random, 3000, 8), harder(random, 1500, 2)
    concept = find_concept_shift("kind", then, now, None, Rules()).finding
    loss = find_loss("kind", then, now, Rules())
    assert concept is not None and loss is not None
    assert concept.p_value > 0.01
    assert loss.p_value < 1e-6


def test_labels_of_tickets_unlike_the_reference_do_not_count() -> None:
    random = np.random.default_rng(6)
    then, now = answers(random, 500), answers(random, 500)
    alike = np.arange(500) < 30
    found = find_concept_shift("kind", then, now, alike, Rules())
    assert found.finding is None
    assert found.told.state == "cannot_be_told"
    assert "30 audited tickets of now, 50 are needed" in found.told.told


def test_without_labels_of_the_reference_it_cannot_be_told() -> None:
    random = np.random.default_rng(7)
    found = find_concept_shift(
        "kind", answers(random, 300, audited=0), answers(random, 300), None, Rules()
    )
    assert "0 audited tickets of the reference" in found.told.told
    assert find_loss("kind", answers(random, 300, audited=0), answers(random, 300), Rules()) is None


def test_p_values_of_a_concept_that_holds_are_not_too_small() -> None:
    random = np.random.default_rng(8)
    values = []
    for _ in range(200):
        found = find_concept_shift(
            "kind", harder(random, 400, 6), harder(random, 80, 6), None, Rules()
        )
        assert found.finding is not None
        values.append(found.finding.p_value)
    for level in (0.02, 0.1):
        share = float(np.mean(np.array(values) <= level))
        assert share <= level + 3 * np.sqrt(level * (1 - level) / 200)


def test_what_nobody_labelled_is_not_counted() -> None:
    found = Answers(("a", "b"), np.array([0, 1]), np.full(2, 0.9), truth=np.array([UNKNOWN, 1]))
    assert found.labelled.tolist() == [1]
    assert found.correct.tolist() == [True]
