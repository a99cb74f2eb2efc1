"""From the members' answers to a certified ensemble."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import DataError
from data.prepared import Prepared
from models.ensemble import EnsembleParams
from models.routing import RoutingParams
from pipelines.ensemble import read_answers
from pipelines.target_fit import CROSS_FITTED, HELD_OUT, fit_target


def problem(seed: int = 0) -> tuple[Prepared, dict[str, np.ndarray]]:
    """3,000 tickets of two classes, a good member and a bad one."""
    random = np.random.default_rng(seed)
    n = 3000
    truth = random.integers(0, 2, n)
    split = np.array(["train"] * 1800 + ["valid"] * 400 + ["calibration"] * 400 + ["test"] * 400)
    frame = pd.DataFrame(
        {
            "text": "x",
            "language": "en",
            "split": split,
            "group": np.arange(n),
            "target": np.where(random.random(n) < 0.02, None, np.array(["a", "b"])[truth]),
        }
    )
    sure = 0.5 + 0.5 * random.beta(8, 1, n)
    right = random.random(n) < sure
    best = np.where(right, truth, 1 - truth)
    good = np.column_stack(
        [np.where(best == 0, sure, 1 - sure), np.where(best == 1, sure, 1 - sure)]
    )
    answers = {"good": good, "bad": random.dirichlet(np.ones(2), n)}
    return Prepared(frame, {"target": ("a", "b")}, {}), {
        name: p.astype(np.float32) for name, p in answers.items()
    }


def test_train_rows_calibrate_when_they_were_answered_out_of_fold() -> None:
    prepared, answers = problem()
    fitted, calibrated = fit_target(prepared, "target", answers, EnsembleParams(), RoutingParams())
    assert fitted.routing.method == CROSS_FITTED
    assert "no more than that" in fitted.routing.notes[0]
    assert 1700 < fitted.routing.rows < 1800
    assert fitted.routing.excess is not None
    assert fitted.routing.excess.asked >= 0.95
    assert fitted.weights["good"] > 0.9
    assert not np.isnan(calibrated).any()


def half_blind(seed: int = 0) -> tuple[Prepared, dict[str, np.ndarray]]:
    """The same tickets and two members, each of which takes most for the class it knows."""
    prepared, answers = problem(seed)
    truth = prepared.label_index("target")
    random = np.random.default_rng(seed)
    for column, name in enumerate(answers):
        score = random.normal(size=(len(truth), 2))
        score[:, column] += 2.0
        score[np.arange(len(truth)), truth] += 2.0
        raised = np.exp(score)
        answers[name] = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return prepared, answers


def test_members_that_know_different_classes_are_pooled() -> None:
    prepared, answers = half_blind()
    fitted, calibrated = fit_target(prepared, "target", answers, EnsembleParams(), RoutingParams())
    meant, _ = fit_target(prepared, "target", answers, EnsembleParams(pool_C=None), RoutingParams())
    assert fitted.pool is not None
    assert meant.pool is None
    assert set(fitted.class_weights["good"]) == {"a", "b"}
    test = prepared.rows("test")
    told = fitted.combine({m: found[test].astype(np.float64) for m, found in answers.items()})
    np.testing.assert_allclose(calibrated[test], told, rtol=1e-6)
    assert not np.isnan(calibrated).any()


def test_the_pool_is_cooled_on_valid_rows_when_the_final_members_are_surer() -> None:
    prepared, answers = half_blind()
    later = np.concatenate([prepared.rows(s) for s in ("valid", "calibration", "test")])
    for found in answers.values():
        sharp = found[later].astype(np.float64) ** 3
        found[later] = sharp / sharp.sum(axis=1, keepdims=True)
    fitted, calibrated = fit_target(
        prepared, "target", answers, EnsembleParams(least_valid=0), RoutingParams()
    )
    assert fitted.pool is not None
    held_out = prepared.rows("calibration")
    truth = prepared.label_index("target")[held_out]
    told = calibrated[held_out][truth >= 0]
    right = told.argmax(axis=1) == truth[truth >= 0]
    assert told.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.04)


def bent(seed: int = 0) -> tuple[Prepared, dict[str, np.ndarray]]:
    """The same tickets, and a member that promises too much in the middle of its scale alone."""
    prepared, answers = problem(seed)
    good = answers["good"].astype(np.float64)
    label, sure = good.argmax(axis=1), good.max(axis=1)
    said = np.interp(sure, [0.5, 0.85, 0.97, 1.0], [0.5, 0.96, 0.97, 0.98])
    answers["good"] = np.where(np.arange(2) == label[:, None], said[:, None], 1 - said[:, None])
    return prepared, {name: found.astype(np.float32) for name, found in answers.items()}


def gap(calibrated: np.ndarray, prepared: Prepared) -> float:
    """Mean distance of confidence and accuracy on test, over the parts of its scale."""
    test = prepared.rows("test")
    truth = prepared.label_index("target")[test]
    told, truth = calibrated[test][truth >= 0], truth[truth >= 0]
    sure, right = told.max(axis=1), told.argmax(axis=1) == truth
    part = np.searchsorted([0.85, 0.95], sure)
    return sum(
        abs(right[part == k].mean() - sure[part == k].mean()) * (part == k).mean()
        for k in np.unique(part)
    )


def test_confidence_is_mapped_by_out_of_fold_rows_where_no_temperature_mends_it() -> None:
    closer = []
    for seed in range(6):
        prepared, answers = bent(seed)
        fitted, calibrated = fit_target(
            prepared, "target", answers, EnsembleParams(least_valid=0), RoutingParams()
        )
        plain, before = fit_target(
            prepared,
            "target",
            answers,
            EnsembleParams(least_valid=0, map_confidence=False),
            RoutingParams(),
        )
        assert fitted.confidence is not None
        assert plain.confidence is None
        test = prepared.rows("test")
        told = fitted.combine({m: found[test].astype(np.float64) for m, found in answers.items()})
        np.testing.assert_allclose(calibrated[test], told, rtol=1e-6)
        assert not np.isnan(calibrated).any()
        closer.append(gap(before, prepared) - gap(calibrated, prepared))
    assert np.mean(closer) > 0.005


def test_what_is_certified_of_mapped_confidence_holds_on_test() -> None:
    kept, automatic = 0, 0
    for seed in range(8):
        prepared, answers = bent(seed)
        fitted, calibrated = fit_target(
            prepared, "target", answers, EnsembleParams(), RoutingParams()
        )
        assert fitted.confidence is not None
        test = prepared.rows("test")
        truth = prepared.label_index("target")[test]
        decided = fitted.routing.decide(calibrated[test])
        routed = decided.automatic & (truth >= 0)
        automatic += int(routed.sum())
        kept += int((decided.label == truth)[routed].sum())
    assert automatic > 400
    assert kept / automatic >= 0.95


def test_calibration_rows_alone_certify_less() -> None:
    prepared, answers = problem()
    both, _ = fit_target(prepared, "target", answers, EnsembleParams(), RoutingParams())
    alone, _ = fit_target(
        prepared, "target", answers, EnsembleParams(), RoutingParams(rows="split")
    )
    assert alone.routing.method == HELD_OUT
    assert alone.routing.notes == ()
    assert alone.routing.rows < 400
    assert alone.routing.certified_automation < both.routing.certified_automation


def test_without_out_of_fold_answers_only_calibration_rows_certify() -> None:
    prepared, answers = problem()
    for found in answers.values():
        found[prepared.rows("train")] = np.nan
    fitted, calibrated = fit_target(prepared, "target", answers, EnsembleParams(), RoutingParams())
    assert fitted.routing.method == HELD_OUT
    assert np.isnan(calibrated[prepared.rows("train")]).all()


def test_what_is_certified_holds_on_test() -> None:
    kept, automatic, covered = 0, 0, []
    for seed in range(8):
        prepared, answers = problem(seed)
        fitted, calibrated = fit_target(
            prepared, "target", answers, EnsembleParams(), RoutingParams()
        )
        truth = prepared.label_index("target")
        rows = prepared.rows("test")
        rows = rows[truth[rows] >= 0]
        decisions = fitted.routing.decide(calibrated[rows])
        automatic += int(decisions.automatic.sum())
        kept += int((decisions.label == truth[rows])[decisions.automatic].sum())
        review = rows[~decisions.automatic]
        covered += fitted.shortlist.covers(calibrated[review], truth[review]).tolist()
    assert automatic > 1500
    assert kept / automatic >= 0.945
    assert np.mean(covered) >= 0.93  # 0.95 promised, about 700 rows: 2.5 standard errors


def test_a_language_with_too_few_tickets_is_not_spoken() -> None:
    prepared, answers = problem()
    language = np.where(np.arange(3000) % 150 == 0, "fr", "en").astype(object)
    language[np.arange(3000) % 200 == 1] = None
    prepared.frame["language"] = language
    fitted, _ = fit_target(prepared, "target", answers, EnsembleParams(), RoutingParams())
    policy = fitted.routing
    assert set(policy.languages) == {"en", "fr", "unknown"}
    assert policy.speaks("en")
    assert not policy.speaks("fr")
    assert not policy.speaks("it")
    assert not policy.speaks(None)
    assert sum(found.rows for found in policy.languages.values()) == policy.rows
    routed = policy.languages["en"].automatic
    assert policy.certified_automation == pytest.approx(routed / policy.rows)


def test_answers_that_do_not_fit_the_tickets_are_refused(tmp_path: Path) -> None:
    prepared, _ = problem()
    np.savez(tmp_path / "probabilities.npz", target=np.zeros((5, 2), dtype=np.float32))
    with pytest.raises(DataError, match=r"shape \(5, 2\), expected \(3000, 2\)"):
        read_answers(tmp_path, prepared)
