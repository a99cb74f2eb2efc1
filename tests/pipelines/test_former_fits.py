"""Fits that go on from those of before: when they may, what they learn, what is kept."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.prepared import Prepared
from models.finetuned import FinetunedMember
from models.finetuned_params import FinalParams, FinetunedParams, RenewalParams
from pipelines import finetuned_fits
from pipelines.former_fits import FACTS, FINAL, FitFacts, Renewal, carry_over, keep_fits, tickets_of
from pipelines.train_finetuned import share_of, train_finetuned
from tests.pipelines.test_train import make_prepared

PARAMS = FinetunedParams(
    max_tokens=16, epochs=1, layers=1, frozen_layers=0, final=(FinalParams(dropout=0.1),),
    renew=RenewalParams(again=1.0),
)  # fmt: skip
FOLDS = 2


@pytest.fixture
def prepared(sample) -> Prepared:
    return make_prepared(sample)


@pytest.fixture(scope="module")
def member() -> FinetunedMember:
    found = FinetunedMember(PARAMS)
    return found.fit(["one", "two"], {"category": ["api", "backend"]})


def without(prepared: Prepared, rows: np.ndarray) -> Prepared:
    """The tickets as they were before some of train had come."""
    left = prepared.frame.drop(index=prepared.frame.index[rows]).reset_index(drop=True)
    return replace(prepared, frame=left, summary={**prepared.summary, "fingerprint": "before"})


@pytest.fixture
def few(prepared: Prepared) -> np.ndarray:
    """Rows of train that come later."""
    return prepared.rows("train")[::25]


@pytest.fixture
def former(prepared: Prepared, few: np.ndarray, member: FinetunedMember, tmp_path: Path) -> Path:
    folder = tmp_path / "former"
    keep_fits(without(prepared, few), PARAMS, [member] * FOLDS, member, None, folder)
    return folder


def test_what_is_new_is_learned_with_some_of_before(
    prepared: Prepared, few: np.ndarray, former: Path
) -> None:
    renewal = Renewal.find(prepared, PARAMS, FOLDS, 1, former)
    assert renewal is not None
    assert renewal.new == len(few)
    assert set(few) <= set(renewal.rows) <= set(prepared.rows("train"))
    assert len(renewal.rows) == 2 * len(few), "one of before for each new one"
    again = Renewal.find(prepared, PARAMS, FOLDS, 1, former)
    assert again is not None and (again.rows == renewal.rows).all()
    other = Renewal.find(prepared, PARAMS, FOLDS, 2, former)
    assert other is not None and (other.rows != renewal.rows).any()
    assert (renewal.chosen(few[:3]) == few[:3]).all()
    assert renewal.begun(FINAL)[0].targets_ == {"category": ("api", "backend")}


def test_a_ticket_with_another_label_is_new(
    prepared: Prepared, few: np.ndarray, former: Path
) -> None:
    row = int(np.setdiff1d(prepared.rows("train"), few)[0])
    frame = prepared.frame.copy()
    names = [n for n in prepared.targets["category"] if n != frame.loc[row, "category"]]
    frame.loc[row, "category"] = names[0]
    renewal = Renewal.find(replace(prepared, frame=frame), PARAMS, FOLDS, 1, former)
    assert renewal is not None
    assert renewal.new == len(few) + 1 and row in renewal.rows


def test_where_nothing_is_new_there_is_nothing_to_go_on_with(
    prepared: Prepared, few: np.ndarray, former: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert Renewal.find(without(prepared, few), PARAMS, FOLDS, 1, former) is None
    assert "there is nothing new to learn" in caplog.text


def gone(prepared: Prepared, row: int) -> Prepared:
    return without(prepared, np.array([row]))


def elsewhere(prepared: Prepared, row: int) -> Prepared:
    frame = prepared.frame.copy()
    frame.loc[row, "fold"] = 1 - frame.loc[row, "fold"]
    return replace(prepared, frame=frame)


def held_out(prepared: Prepared, row: int) -> Prepared:
    frame = prepared.frame.copy()
    frame.loc[row, "split"] = "calibration"
    return replace(prepared, frame=frame)


def more_classes(prepared: Prepared, row: int) -> Prepared:
    targets = {**prepared.targets, "category": (*prepared.targets["category"], "sales")}
    return replace(prepared, targets=targets)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (gone, "1 tickets that the former ones learned are not to be learned from any more"),
        (held_out, "1 tickets that the former ones learned are not to be learned from any more"),
        (elsewhere, "1 tickets that the former ones learned are in another fold"),
        (more_classes, "other params or classes"),
    ],
)
def test_all_begin_anew_where_a_model_would_answer_what_it_has_learned(
    prepared: Prepared, few: np.ndarray, former: Path, changed, why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO")
    row = int(np.setdiff1d(prepared.rows("train"), few)[0])
    assert Renewal.find(changed(prepared, row), PARAMS, FOLDS, 1, former) is None
    assert why in caplog.text


@pytest.mark.parametrize(
    ("renew", "why"),
    [
        (RenewalParams(most_new=0.01), "more than 1%"),
        (RenewalParams(most_times=1), "went on 1 times in a row"),
    ],
)
def test_all_begin_anew_where_much_is_new_or_it_went_on_often(
    prepared: Prepared, former: Path, renew: RenewalParams, why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO")
    facts = json.loads((former / FACTS).read_text())
    (former / FACTS).write_text(json.dumps({**facts, "renewed": 1}))
    params = PARAMS.model_copy(update={"renew": renew})
    assert Renewal.find(prepared, params, FOLDS, 1, former) is None
    assert why in caplog.text


def test_other_params_and_broken_facts_are_not_gone_on_from(
    prepared: Prepared, former: Path, caplog: pytest.LogCaptureFixture
) -> None:
    longer = PARAMS.model_copy(update={"max_tokens": 32})
    assert Renewal.find(prepared, longer, FOLDS, 1, former) is None
    never = PARAMS.model_copy(update={"renew": None})
    assert Renewal.find(prepared, never, FOLDS, 1, former) is None
    assert Renewal.find(prepared, PARAMS, FOLDS + 1, 1, former) is None
    (former / FACTS).write_text("{}")
    assert Renewal.find(prepared, PARAMS, FOLDS, 1, former) is None
    assert "tells of no fits" in caplog.text


def test_fits_of_the_prepared_tickets_are_carried_over_whole(former: Path, tmp_path: Path) -> None:
    place = tmp_path / "next"
    (place / "fold-7").mkdir(parents=True)
    (place / ".gitignore").write_text("*")
    assert not carry_over("others", former, place)
    assert not carry_over("before", tmp_path / "nowhere", place)
    assert (place / "fold-7").is_dir()
    assert carry_over("before", former, place)
    assert sorted(path.name for path in place.iterdir()) == [
        ".gitignore", FINAL, FACTS, "fold-0", "fold-1",
    ]  # fmt: skip
    assert FinetunedMember.load(place / "fold-1").targets_


def test_nothing_is_kept_of_what_could_not_be_gone_on_from(
    prepared: Prepared, member: FinetunedMember, tmp_path: Path
) -> None:
    two = PARAMS.model_copy(update={"final": (FinalParams(), FinalParams(start="encoder"))})
    never = PARAMS.model_copy(update={"renew": None})
    for params, folds in ((two, [member]), (never, [member]), (PARAMS, [])):
        keep_fits(prepared, params, folds, member, None, tmp_path / "fits")
    assert not (tmp_path / "fits").exists()


@pytest.mark.parametrize("beside", [True, False])
def test_a_whole_run_goes_on_from_the_one_before(
    prepared: Prepared, few: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    beside: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr("pipelines.train_finetuned.CHECKPOINTS", tmp_path / "checkpoints")
    monkeypatch.setattr(finetuned_fits, "BESIDE", 0 if beside else len(prepared.frame) + 1)
    monkeypatch.setattr(finetuned_fits, "usable_cores", lambda: 2)
    before, fits = without(prepared, few), tmp_path / "fits"
    _, first = train_finetuned(before, FOLDS, PARAMS, 1, kept=fits)
    assert carry_over("before", fits, tmp_path / "former")
    learned: list[int] = []
    whole = finetuned_fits.labels_of
    monkeypatch.setattr(
        finetuned_fits, "labels_of",
        lambda prepared, rows: learned.append(len(rows)) or whole(prepared, rows),
    )  # fmt: skip
    _, answers = train_finetuned(prepared, FOLDS, PARAMS, 1, former=tmp_path / "former", kept=fits)
    assert all(not np.isnan(found).any() for found in answers.values())
    assert 2 * len(few) in learned or beside, "the final fit learns what is new and as much again"
    facts = FitFacts.model_validate_json((fits / FACTS).read_bytes())
    assert facts.renewed == 1
    assert facts.learned == tickets_of(prepared)
    if not beside:
        _, anew = train_finetuned(prepared, FOLDS, PARAMS, 1)
        then = first["category"][before.rows("test")]
        near, far = (
            np.abs(found["category"][prepared.rows("test")] - then).mean()
            for found in (answers, anew)
        )
        assert 0 < near < far


def test_a_share_of_the_lessons_is_spread_over_them() -> None:
    from evaluation.league.sentiment import Posts

    posts = Posts([f"post {i}" for i in range(10)], ["neutral"] * 10)
    assert share_of(posts, 0.5).texts == [f"post {i}" for i in range(0, 10, 2)]
    assert share_of(posts, 0).texts == []
