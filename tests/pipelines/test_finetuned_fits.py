"""Fits of the fine-tuned member beside each other: folds, and draws of a final fit."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

from data.prepared import Prepared
from models.finetuned import FinetunedMember
from models.finetuned_params import FinalParams, FinetunedParams
from pipelines import finetuned_fits
from pipelines.cross_fitting import labels_of
from pipelines.finetuned_fits import (
    Final,
    Fits,
    Task,
    fit_beside,
    fit_finals_beside,
    fit_fold,
)
from pipelines.train_finetuned import easy_tickets, train_finetuned
from tests.pipelines.test_train import make_prepared

PARAMS = FinetunedParams(max_tokens=16, epochs=1, layers=1, frozen_layers=0)


@pytest.fixture
def prepared(sample) -> Prepared:
    return make_prepared(sample)


@pytest.fixture
def two_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.train_finetuned.CHECKPOINTS", tmp_path)
    monkeypatch.setattr(finetuned_fits, "BESIDE", 0)
    monkeypatch.setattr(finetuned_fits, "usable_cores", lambda: 2)


def test_folds_beside_each_other_are_those_after_each_other(
    prepared: Prepared, two_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, beside = train_finetuned(prepared, 2, PARAMS, seed=1)
    monkeypatch.setattr(finetuned_fits, "BESIDE", len(prepared.frame) + 1)
    other, after = train_finetuned(prepared, 2, PARAMS, seed=1)
    for target, found in beside.items():
        assert not np.isnan(found).any()
        # Sums are made in another order by another number of threads.
        np.testing.assert_allclose(found, after[target], atol=0.02)
    assert member.targets_ == other.targets_


def test_final_fits_beside_each_other_are_those_after_each_other(
    prepared: Prepared, two_cores: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = [FinetunedMember(PARAMS, seed=1)]
    task = Task(prepared, PARAMS, 1, tmp_path / "beside")
    texts, rows = prepared.texts(), prepared.rows("train")
    start[0].fit([texts[i] for i in rows[:64]], labels_of(prepared, rows[:64]))
    finals = [Final(PARAMS, start, 0), Final(PARAMS, start, 1), Final(PARAMS, (), 2)]
    beside = fit_finals_beside(task, "final", finals)
    assert beside is not None
    asked = [texts[i] for i in prepared.rows("test")]
    answers = [member.predict_proba(asked)["category"] for member in beside]
    assert np.abs(answers[0] - answers[1]).max() > 0.02, "two draws, not one"
    fits = Fits(Task(prepared, PARAMS, 1, tmp_path / "after"))
    after = fits.fit(rows, "final-1", PARAMS, start, 1)
    # Sums are made in another order by another number of threads.
    np.testing.assert_allclose(answers[1], after.predict_proba(asked)["category"], atol=0.02)
    anew = fits.fit(rows, "final-2", PARAMS, (), 2)
    np.testing.assert_allclose(answers[2], anew.predict_proba(asked)["category"], atol=0.02)
    monkeypatch.setattr(finetuned_fits, "usable_cores", lambda: 1)
    assert fit_finals_beside(task, "final", finals) is None


def test_a_fold_is_kept_and_answers_its_own_rows_alone(prepared: Prepared, tmp_path: Path) -> None:
    task = Task(prepared, PARAMS, 1, tmp_path / "checkpoints")
    answers = fit_fold(task, 1, tmp_path / "1")
    assert (tmp_path / "1" / "member.json").is_file()
    train = prepared.rows("train")
    inside = int((prepared.frame["fold"].to_numpy()[train] == 1).sum())
    assert {target: len(found) for target, found in answers.items()} == dict.fromkeys(
        prepared.targets, inside
    )


class Broken:
    """A pool whose processes the system has ended."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __enter__(self) -> "Broken":
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def submit(self, *args: object) -> Future[object]:
        future: Future[object] = Future()
        future.set_exception(BrokenProcessPool("killed"))
        return future


def test_folds_whose_process_is_gone_are_fitted_here(
    prepared: Prepared, two_cores: None, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(finetuned_fits, "ProcessPoolExecutor", Broken)
    _, answers = train_finetuned(prepared, 2, PARAMS, seed=1)
    assert not np.isnan(answers["category"]).any()
    assert "one process fits them all" in caplog.text


@pytest.mark.parametrize(("folds", "cores"), [(0, 2), (2, 1)], ids=["no folds", "one core"])
def test_one_process_fits_where_more_would_not_help(
    prepared: Prepared,
    two_cores: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folds: int,
    cores: int,
) -> None:
    monkeypatch.setattr(finetuned_fits, "usable_cores", lambda: cores)
    monkeypatch.setattr(finetuned_fits, "ProcessPoolExecutor", None)
    assert fit_beside(Task(prepared, PARAMS, 1, tmp_path), folds) is None


def test_folds_with_frozen_layers_are_fitted_beside_each_other_too(
    prepared: Prepared, two_cores: None, tmp_path: Path
) -> None:
    frozen = PARAMS.model_copy(update={"layers": 2, "frozen_layers": 1})
    found = fit_beside(Task(prepared, frozen, 1, tmp_path), 2)
    assert found is not None
    assert [len(members.models) for members in found[0]] == [1, 1]


def test_tickets_that_the_folds_are_sure_of_are_easy_in_the_final_fits_alone(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.train_finetuned.CHECKPOINTS", tmp_path)
    real, asked = Fits.fit, []

    def noted(self, rows, name, params, start=(), draw=0, easy=None):
        asked.append((name, easy))
        return real(self, rows, name, params, start, draw, easy)

    monkeypatch.setattr(Fits, "fit", noted)
    finals = (FinalParams(start="folds", easy=0.125), FinalParams(start="encoder"))
    params = PARAMS.model_copy(update={"final": finals})
    _, answers = train_finetuned(prepared, 2, params, seed=1)
    told = dict(asked)
    assert told["fold-0"] is told["fold-1"] is told["final-1"] is None
    train = prepared.rows("train")
    easy = told["final-0"][train]
    np.testing.assert_array_equal(easy, easy_tickets(prepared, answers, 0.125)[train])
    assert 0 < easy.sum() < len(train)


def test_a_ticket_is_easy_where_all_its_labels_are_clear(prepared: Prepared) -> None:
    names, rows = prepared.targets, np.arange(len(prepared.frame))
    answers = {t: np.full((len(rows), len(n)), 0.01, np.float32) for t, n in names.items()}
    truth = {target: prepared.label_index(target) for target in names}
    assert not easy_tickets(prepared, answers, 0.9).any()
    for target, found in answers.items():
        known = truth[target] >= 0
        found[rows[known], truth[target][known]] = 0.95
    labelled = np.any([one >= 0 for one in truth.values()], axis=0)
    np.testing.assert_array_equal(easy_tickets(prepared, answers, 0.9), labelled)
    first = int(np.flatnonzero(labelled)[0])
    target = next(t for t in names if truth[t][first] >= 0)
    for unclear in (np.nan, 0.5):
        answers[target][first, truth[target][first]] = unclear
        assert not easy_tickets(prepared, answers, 0.9)[first]
