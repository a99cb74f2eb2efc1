"""One target, assessed: what must hold among its figures."""

from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from evaluation.assessment import EvaluateParams, TargetAssessment
from evaluation.metrics import FIGURES


def test_every_figure_is_told_of_the_ensemble_and_of_each_member(
    assessment: TargetAssessment,
) -> None:
    for figures in (assessment.figures, *assessment.figures["members"].values()):
        for name in FIGURES:
            low, high = figures[f"{name}_ci"]
            assert low <= figures[name] <= high


def test_rows_without_a_label_are_not_measured(assessment: TargetAssessment) -> None:
    assert assessment.figures["n_test"] == len(assessment.ensemble) == 280
    assert len(assessment.tickets) == 280
    assert assessment.tickets.ids[0] == "t-20"


def test_near_duplicates_can_be_left_out(assessment: TargetAssessment) -> None:
    # Rows 25, 50, ..., 275 of the labelled rows 20 to 299.
    assert assessment.figures["without_near_train"]["n_test"] == 280 - 11


def test_the_sharper_ensemble_gains_on_its_members(assessment: TargetAssessment) -> None:
    gains = assessment.figures["comparison"]
    assert gains["linear"]["accuracy"]["difference"] > 0
    assert set(gains) == {"linear", "finetuned"}


def test_shortlists_are_measured_on_tickets_sent_to_a_person(assessment: TargetAssessment) -> None:
    found = assessment.figures["shortlist"]
    review = 1 - assessment.figures["certified_automation"]
    assert found["tickets"] == pytest.approx(review * 280)
    assert found["mean_size"] == 2
    assert 0 < found["coverage"] <= 1


def test_where_everything_is_automatic_no_shortlist_is_measured(
    make_assessment: Callable[..., TargetAssessment],
) -> None:
    found = make_assessment(thresholds=(0.0, 0.0, 0.0), n=60).figures["shortlist"]
    assert found == {"tickets": 0, "coverage": None, "mean_size": None}


def test_the_same_seed_gives_the_same_figures(
    make_assessment: Callable[..., TargetAssessment], assessment: TargetAssessment
) -> None:
    assert make_assessment().figures == assessment.figures


def test_unknown_params_are_refused() -> None:
    with pytest.raises(ValidationError):
        EvaluateParams(bootstraps=10)  # type: ignore[call-arg]


def test_slices_and_classes_speak_of_all_labelled_tickets(assessment: TargetAssessment) -> None:
    by_class = [s for s in assessment.figures["slices"] if s["kind"] == "class"]
    assert sum(entry["n"] for entry in by_class) == 280
    assert sum(entry["support"] for entry in assessment.figures["classes"]) == 280
    assert np.all(assessment.ensemble.labels >= 0)
