"""Fits of the fine-tuned member beside each other: folds, and draws of a final fit."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

from data.prepared import Prepared
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
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
from pipelines.train_finetuned import train_finetuned
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
