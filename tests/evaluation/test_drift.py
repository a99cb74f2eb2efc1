"""A comparison finds what moved, says what it is, and is silent where nothing has."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from evaluation.drift import find_drift
from evaluation.drift_report import DriftReport, Rules
from evaluation.drift_window import Window
from tests.windows import PRIORS, draw_window

OTHER_PRIORS = (0.15, 0.3, 0.55)


@pytest.fixture(scope="module")
def reference() -> Window:
    return draw_window(np.random.default_rng(1), 1500, name="reference")


def compare(reference: Window, seed: int = 2, n: int = 1200, **changes: object) -> DriftReport:
    current = draw_window(np.random.default_rng(seed), n, name="now", **changes)  # type: ignore[arg-type]
    return find_drift(reference, current, seed=7)


def flagged(report: DriftReport) -> set[str]:
    return {check.name for check in report.checks if check.drifted}


def test_nothing_is_found_where_nothing_has_moved(reference: Window) -> None:
    report = compare(reference)
    assert (report.enough, report.drifted, report.kinds) == (True, False, ())
    assert report.action == "nothing"
    assert report.to_label == () and report.words == () and report.classes == ()


def test_other_shares_of_the_classes_ask_for_other_priors(reference: Window) -> None:
    report = compare(reference, priors=OTHER_PRIORS, audited=0)
    shift = report.label_shift["kind"]
    assert "kind.labels" in flagged(report)
    assert (report.kinds, report.action) == (("label",), "adjust_priors")
    assert (shift.method, shift.explains) == ("em", True)
    assert np.allclose(list(shift.estimated.values()), OTHER_PRIORS, atol=0.05)
    assert any("bug from" in reason for reason in report.reasons)
    assert report.classes[0].part == max(found.part for found in report.classes)


def test_tickets_unlike_before_are_to_be_labelled_and_the_new_ones_are_chosen(
    reference: Window,
) -> None:
    report = compare(reference, moved=4.0, audited=0)
    assert "embedding.classifier" in flagged(report)
    assert report.kinds == ("covariate",)
    assert report.action == "relabel"
    assert len(set(report.to_label)) == report.rules.relabel
    # A third of the tickets are new; of those chosen most are.
    current = draw_window(np.random.default_rng(2), 1200, name="now", moved=4.0, audited=0)
    assert current.embeddings is not None
    new = {current.ids[row] for row in np.flatnonzero(current.embeddings[:, -1] > 2)}
    assert len(new & set(report.to_label)) >= 0.6 * report.rules.relabel
    assert "hologram" in {found.word for found in report.words if found.z > 0}
    assert "cannot be told" in report.concept["kind"].told
    assert report.concept["kind"].state == "cannot_be_told"


def test_other_right_answers_for_the_same_tickets_ask_for_a_new_model(reference: Window) -> None:
    report = compare(reference, relabelled=0.5, audited=400)
    assert report.kinds == ("concept",)
    assert report.action == "retrain"
    assert report.concept["kind"].state == "seen"
    assert not flagged(report) & {"embedding.classifier", "embedding.mmd", "kind.labels"}


def test_too_few_labels_to_learn_from_ask_for_more_of_them(reference: Window) -> None:
    report = compare(reference, relabelled=0.9, audited=150)
    assert report.action == "relabel"
    assert any("too few to learn from" in reason for reason in report.reasons)


def test_moved_tickets_that_are_answered_as_well_are_no_concept_shift(reference: Window) -> None:
    report = compare(reference, moved=4.0)
    assert report.concept["kind"].state == "not_seen"
    assert "concept" not in report.kinds


def test_a_tiny_difference_does_not_count_however_many_tickets_show_it() -> None:
    random = np.random.default_rng(3)
    big = draw_window(random, 12_000, vectors=False)
    other = draw_window(random, 12_000, vectors=False, priors=(0.47, 0.31, 0.22))
    report = find_drift(big, other)
    labels = next(check for check in report.checks if check.name == "kind.labels")
    assert labels.adjusted < report.rules.level
    assert labels.effect < labels.limit
    assert not report.drifted


def test_another_language_alone_changes_nothing_to_be_done(reference: Window) -> None:
    report = compare(reference, language="de")
    assert flagged(report) == {"language"}
    assert (report.kinds, report.action) == (("covariate",), "nothing")
    assert any("en 0% (before 100%)" in reason for reason in report.reasons)


def test_few_tickets_are_not_judged(reference: Window) -> None:
    report = compare(reference, n=40)
    assert (report.enough, report.action, report.checks) == (False, "nothing", ())
    assert "now holds 40 tickets" in report.reasons[0]


def test_vectors_of_another_encoder_are_not_compared(reference: Window) -> None:
    current = draw_window(np.random.default_rng(2), 500)
    report = find_drift(reference, replace(current, encoder="another"))
    assert not any(check.name.startswith("embedding") for check in report.checks)
    assert report.enough


def test_without_vectors_label_shift_is_told_from_the_answers_alone() -> None:
    random = np.random.default_rng(4)
    then = draw_window(random, 1500, vectors=False, probabilities=False)
    now = draw_window(
        random, 1200, vectors=False, probabilities=False, priors=OTHER_PRIORS, audited=0
    )
    report = find_drift(then, now)
    assert report.label_shift["kind"].method == "bbse"
    assert report.action == "adjust_priors"
    assert np.allclose(list(report.label_shift["kind"].estimated.values()), OTHER_PRIORS, atol=0.06)


def test_a_target_with_other_classes_is_left_out(reference: Window) -> None:
    current = draw_window(np.random.default_rng(2), 500)
    answers = replace(current.targets["kind"], classes=("bug", "question", "praise"))
    report = find_drift(reference, replace(current, targets={"kind": answers}))
    assert report.accuracy == {}


def test_the_same_windows_give_the_same_report(reference: Window) -> None:
    assert compare(reference, moved=2.0) == compare(reference, moved=2.0)


def test_an_event_tells_no_word_and_no_ticket(reference: Window) -> None:
    report = compare(reference, moved=4.0, audited=0)
    told = str(report.detail())
    assert report.words and report.to_label
    assert "hologram" not in told
    assert report.to_label[0] not in told
    assert report.detail()["action"] == "relabel"
    assert report.effects["embedding.classifier"] > 0.05


def test_looks_at_one_reference_raise_no_more_false_alarms_than_promised() -> None:
    """30 stationary years of 6 looks each: at most alpha of them may hold any alarm.

    The effects are switched off, so that the tests alone are on trial, and alpha is large, so that
    a level too high by half would show.
    """
    rules = Rules(alpha=0.4, looks=6, share=1e-9, distribution=1e-9, accuracy=1e-9)
    random = np.random.default_rng(5)
    years, alarmed = 30, 0
    for _ in range(years):
        then = draw_window(random, 300, vectors=False)
        windows = (draw_window(random, 120, vectors=False, audited=60) for _ in range(rules.looks))
        alarmed += any(find_drift(then, now, rules).drifted for now in windows)
    # Above alpha by chance in at most 1 % of such tests.
    assert alarmed <= binom.ppf(0.99, years, rules.alpha)


def test_with_effects_a_stationary_year_is_silent() -> None:
    random = np.random.default_rng(6)
    then = draw_window(random, 400)
    for look in range(12):
        now = draw_window(random, 200, audited=60)
        assert find_drift(then, now, Rules(looks=12), seed=look).action == "nothing"


def test_the_level_of_a_look_is_shared_among_all() -> None:
    assert Rules(alpha=0.05, looks=50).level == pytest.approx(0.001)
    assert sum(PRIORS) == pytest.approx(1)
