"""The areas under the curves are scikit-learn's, for every draw at once."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.detection import detection_figures


def test_the_figures_are_those_of_scikit_learn_ties_and_weights_included() -> None:
    random = np.random.default_rng(1)
    wanted = random.random(400) < 0.3
    scores = np.round(random.normal(size=400) + wanted, 1)
    counts = random.integers(0, 4, (130, 400)).astype(np.uint16)
    figures = detection_figures(scores, wanted, counts)
    for draw in (0, 64, 129):
        weights = counts[draw]
        assert figures["auroc"][draw] == pytest.approx(
            roc_auc_score(wanted, scores, sample_weight=weights)
        )
        assert figures["auprc"][draw] == pytest.approx(
            average_precision_score(wanted, scores, sample_weight=weights)
        )
    assert detection_figures(scores, wanted)["auroc"] == pytest.approx(
        roc_auc_score(wanted, scores)
    )


def test_a_score_that_tells_all_apart_has_areas_of_one() -> None:
    figures = detection_figures(np.array([3.0, 1.0, 4.0]), np.array([True, False, True]))
    assert figures["auroc"].tolist() == [1.0]
    assert figures["auprc"].tolist() == [1.0]


def test_without_both_kinds_of_rows_there_is_no_figure() -> None:
    for wanted in (np.array([True, True]), np.array([False, False]), np.zeros(0, bool)):
        for values in detection_figures(np.zeros(len(wanted)), wanted).values():
            assert np.isnan(values).all()


def test_scores_and_answers_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="scores of shape"):
        detection_figures(np.zeros(2), np.zeros(3, bool))
