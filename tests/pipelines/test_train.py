"""Training a member: every ticket is answered by a model that has not seen it."""

from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from data.errors import DataError
from data.prepared import Prepared
from evaluation.league.sentiment import Posts
from models.embedding import EmbeddingParams
from models.finetuned import FinetunedMember
from models.finetuned_params import FinalParams, FinetunedParams
from models.linear import LinearParams
from pipelines import train
from pipelines.cross_fitting import cross_fit, labels_of
from pipelines.memory import read_features
from pipelines.toning import Tones
from pipelines.train import train_embedding
from pipelines.train_finetuned import CHECKPOINTS, checkpoint_folder, train_finetuned
from pipelines.train_linear import train_linear
from tests.walk import set_out, take


def make_prepared(sample, n: int = 160, folds: int = 2) -> Prepared:
    rows = sample[:n]
    split = ["test", "valid", "calibration", *["train"] * 5]
    frame = pd.DataFrame(
        {
            "id": [row["id"] for row in rows],
            "text": [row["text"] for row in rows],
            "language": [row["language"] for row in rows],
            "created_at": [row["created_at"] for row in rows],
            "group": [row["group"] for row in rows],
            "split": [split[i % 8] for i in range(n)],
            "fold": [i % 2 if split[i % 8] == "train" and folds else -1 for i in range(n)],
            "near_train": False,
            "resolution": None,
            "category": [row["category"] for row in rows],
            "severity": [None if i % 9 == 0 else row["severity"] for i, row in enumerate(rows)],
        }
    )
    targets = {t: tuple(sorted(set(frame[t].dropna()))) for t in ("category", "severity")}
    return Prepared(frame, targets, {"fingerprint": "f", "dataset": "sample", "fallback": False})


@pytest.fixture
def prepared(sample) -> Prepared:
    return make_prepared(sample)


class Recorder:
    """A member that remembers the rows it was fitted on."""

    def __init__(self, rows: np.ndarray) -> None:
        self.targets_ = {"category": ("api", "backend"), "severity": ("low",)}
        self.rows = set(rows.tolist())


def test_no_row_is_answered_by_a_model_that_was_fitted_on_it(prepared: Prepared) -> None:
    fitted: list[Recorder] = []

    def fit(rows: np.ndarray, name: str, folds: list[Recorder]) -> Recorder:
        assert list(folds) == (fitted if name == "final" else [])
        fitted.append(Recorder(rows))
        return fitted[-1]

    def answer(member: Recorder, rows: np.ndarray) -> dict[str, np.ndarray]:
        assert not member.rows & set(rows.tolist())
        return {
            "category": np.tile([0.4, 0.6], (len(rows), 1)),
            "severity": np.ones((len(rows), 1)),
        }

    member, answers = cross_fit(prepared, 2, fit, answer)
    assert len(fitted) == 3
    assert member.rows == set(prepared.rows("train").tolist())
    for target, found in answers.items():
        assert found.shape == (len(prepared), len(prepared.targets[target]))
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert answers["category"][0, prepared.targets["category"].index("backend")] == pytest.approx(
        0.6
    )


def test_folds_fitted_beside_the_final_fit_answer_the_same(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, one = train_linear(prepared, 2, LinearParams())
    monkeypatch.setattr("pipelines.train_linear.BESIDE", 1)
    monkeypatch.setattr("pipelines.train_linear.usable_cores", lambda: 2)
    beside, two = train_linear(prepared, 2, LinearParams())
    texts = prepared.texts()
    for target, found in one.items():
        np.testing.assert_array_equal(found, two[target])
        expected = alone.predict_proba(texts)[target]
        np.testing.assert_array_equal(beside.predict_proba(texts)[target], expected)


def test_folds_whose_process_is_gone_are_fitted_here(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, expected = train_linear(prepared, 2, LinearParams())

    class Gone(Executor):
        def __init__(self, *arguments: object, **named: object) -> None:
            pass

        def submit(self, call, /, *arguments, **named):
            ended: Future[object] = Future()
            ended.set_exception(BrokenProcessPool("killed"))
            return ended

    monkeypatch.setattr("pipelines.train_linear.BESIDE", 1)
    monkeypatch.setattr("pipelines.train_linear.usable_cores", lambda: 2)
    monkeypatch.setattr("pipelines.train_linear.ProcessPoolExecutor", Gone)
    _, answers = train_linear(prepared, 2, LinearParams())
    np.testing.assert_array_equal(answers["category"], expected["category"])


def test_without_folds_train_rows_stay_unknown(prepared: Prepared) -> None:
    _, answers = train_linear(prepared, 0, LinearParams())
    train_rows = prepared.rows("train")
    assert np.isnan(answers["category"][train_rows]).all()
    assert not np.isnan(answers["category"][prepared.rows("test")]).any()


@pytest.mark.parametrize("name", ["linear", "embedding", "finetuned"])
def test_every_member_answers_every_row(
    prepared: Prepared, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.train_finetuned.CHECKPOINTS", tmp_path)
    if name == "linear":
        member, answers = train_linear(prepared, 2, LinearParams())
    elif name == "embedding":
        member, answers = train_embedding(prepared, 2, EmbeddingParams(max_tokens=16))
    else:
        params = FinetunedParams(max_tokens=16, epochs=1, frozen_layers=5)
        member, answers = train_finetuned(prepared, 2, params, seed=1)
    for target, found in answers.items():
        assert not np.isnan(found).any()
        assert set(member.targets_[target]) <= set(prepared.targets[target])


def test_a_ticket_set_aside_is_neither_learned_from_nor_answered(prepared: Prepared) -> None:
    train = prepared.rows("train")
    prepared.frame.loc[train[:40], ["split", "fold"]] = ["unused", -1]
    _, answers = train_embedding(prepared, 2, EmbeddingParams(max_tokens=16))
    unknown = np.isnan(answers["category"]).all(axis=1)
    assert np.flatnonzero(unknown).tolist() == train[:40].tolist()


def test_labels_of_some_rows_keep_their_gaps(prepared: Prepared) -> None:
    labels = labels_of(prepared, np.array([9, 10]))
    assert labels["severity"][0] is None
    assert labels["category"] == prepared.labels("category")[9:11]


def test_a_finished_run_leaves_no_checkpoint_behind(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_out(tmp_path, monkeypatch, dataset="sample")
    monkeypatch.setattr("models.finetuning.CHECKPOINT_SECONDS", 0.0)
    written: list[Path] = []
    real = train.train_finetuned

    def watched(prepared: Prepared, *args: object) -> object:
        result = real(prepared, *args)
        written.extend(CHECKPOINTS.rglob("state.json"))
        return result

    monkeypatch.setattr(train, "train_finetuned", watched)
    monkeypatch.setattr(train, "read_prepared", lambda folder: prepared)
    take("train", monkeypatch, "finetuned")
    assert {path.parent.name for path in written} == {"fold-0", "fold-1", "final-0"}
    assert not list(CHECKPOINTS.rglob("*.*"))


def test_a_run_with_other_code_is_not_gone_on_with(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = FinetunedParams()
    before = checkpoint_folder(prepared, params, 2, 1)
    assert checkpoint_folder(prepared, params, 2, 1) == before
    assert checkpoint_folder(prepared, params, 2, 2) != before
    edited = tmp_path / "finetuning.py"
    edited.write_text("# another loop")
    monkeypatch.setattr(
        "pipelines.train_finetuned.find_spec", lambda name: SimpleNamespace(origin=str(edited))
    )
    assert checkpoint_folder(prepared, params, 2, 1) != before


def test_the_final_fit_goes_on_from_the_folds_if_asked(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.train_finetuned.CHECKPOINTS", tmp_path)
    seen: list[tuple[int, int]] = []
    real = FinetunedMember.fit

    def watched(self, *args, start, **kwargs):
        seen.append((len(start), self.params.epochs))
        return real(self, *args, start=start, **kwargs)

    monkeypatch.setattr(FinetunedMember, "fit", watched)
    final = (FinalParams(epochs=1, learning_rate=1e-4),)
    params = FinetunedParams(max_tokens=16, epochs=2, frozen_layers=5, final=final)
    train_finetuned(prepared, 2, params, seed=1)
    assert seen == [(0, 2), (0, 2), (2, 1)]
    seen.clear()
    train_finetuned(prepared, 0, params, seed=1)
    assert seen == [(0, 2)]


def test_the_answers_of_several_final_fits_are_averaged(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.train_finetuned.CHECKPOINTS", tmp_path)
    fitted: list[FinetunedMember] = []
    real = FinetunedMember.fit

    def watched(self, *args, **kwargs):
        fitted.append(real(self, *args, **kwargs))
        return fitted[-1]

    monkeypatch.setattr(FinetunedMember, "fit", watched)
    final = (FinalParams(), FinalParams(start="encoder", frozen_layers=4))
    params = FinetunedParams(max_tokens=16, epochs=1, frozen_layers=5, final=final)
    member, answers = train_finetuned(prepared, 2, params, seed=1)
    assert [(f.params.frozen_layers, f.seed) for f in fitted] == [(5, 1), (5, 1), (5, 1), (4, 2)]
    rows = prepared.rows("test")
    texts = [prepared.texts()[i] for i in rows]
    one, two = (f.predict_proba(texts)["category"] for f in fitted[2:])
    assert np.abs(one - two).max() > 1e-3
    np.testing.assert_allclose(answers["category"][rows], (one + two) / 2, atol=0.01)

    member.save(tmp_path / "saved")
    again = FinetunedMember.load(tmp_path / "saved")
    assert again.encode(texts).shape == (len(texts), 2 * 384)
    np.testing.assert_allclose(
        again.predict_proba(texts)["category"], member.predict_proba(texts)["category"], atol=1e-6
    )


def test_a_tone_is_learned_beside_the_tickets_in_every_fit(prepared: Prepared) -> None:
    """Nobody is asked for the tone of a ticket, and valid tickets carry none."""
    params = FinetunedParams(
        max_tokens=16, epochs=1, frozen_layers=5, final=(FinalParams(start="folds"),)
    )
    words = {"negative": "awful", "neutral": "installed", "positive": "great"}
    posts = Posts([f"{w} update" for w in words.values()] * 6, [*words] * 6)
    member, answers = train_finetuned(prepared, 2, params, seed=1, lessons=posts)
    assert member.targets_["sentiment"] == ("negative", "neutral", "positive")
    assert set(answers) == {"category", "severity"}
    assert member.predict_proba(["great update"])["sentiment"].shape == (1, 3)
    other = checkpoint_folder(prepared, params, 2, 1)
    assert checkpoint_folder(prepared, params, 2, 1, posts) != other


def test_tickets_are_learned_in_other_tones_and_answered_as_they_are(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.train_finetuned.CHECKPOINTS", tmp_path)
    learned, asked = [], []
    fit, encode = FinetunedMember.fit, FinetunedMember.encode

    def fitted(self, texts, *args, **kwargs):
        learned.extend(texts)
        return fit(self, texts, *args, **kwargs)

    def encoded(self, texts):
        asked.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(FinetunedMember, "fit", fitted)
    monkeypatch.setattr(FinetunedMember, "encode", encoded)
    tones = Tones(("What a dreadful day.",), 0.5, 1)
    params = FinetunedParams(max_tokens=16, epochs=1, frozen_layers=5)
    train_finetuned(prepared, 2, params, seed=1, tones=tones)
    changed = sum("dreadful" in text for text in learned) / len(learned)
    assert 0.35 < changed < 0.65
    assert set(asked) <= set(prepared.texts())
    other = checkpoint_folder(prepared, params, 2, 1)
    assert checkpoint_folder(prepared, params, 2, 1, None, tones) != other


def test_members_of_other_classes_are_not_joined() -> None:
    one, two = FinetunedMember(), FinetunedMember()
    one.targets_, two.targets_ = {"a": ("x",)}, {"a": ("y",)}
    with pytest.raises(ValueError, match="other classes"):
        one.joined([two])
    with pytest.raises(ValueError, match="other classes"):
        FinetunedMember.averaged([one, two])


def test_the_weights_of_several_draws_are_averaged_into_one_network(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = []
    real = FinetunedMember.averaged
    heads = []

    def watched(members):
        fitted.append([one.seed for one in members])
        heads.extend(one._networks[0].heads["0.weight"] for one in members)
        return real(members)

    monkeypatch.setattr(FinetunedMember, "averaged", watched)
    final = (FinalParams(start="folds", fits=2), FinalParams(start="encoder"))
    params = FinetunedParams(max_tokens=16, epochs=1, frozen_layers=5, final=final)
    member, _ = train_finetuned(prepared, 2, params, seed=1)
    assert fitted == [[1, 2], [3]], "no draw is used twice"
    assert len(member.models) == 2
    np.testing.assert_allclose(
        member._networks[0].heads["0.weight"], (heads[0] + heads[1]) / 2, atol=1e-6
    )
    assert np.abs(heads[0] - heads[1]).max() > 1e-4
    train_finetuned(prepared, 0, params, seed=1)
    assert fitted[2] == [1], "without folds there is nothing to begin from alike"
    with pytest.raises(ValueError, match="start: encoder allows one fit"):
        FinalParams(start="encoder", fits=2)


@pytest.mark.parametrize("name", ["embedding", "finetuned"])
def test_the_final_members_features_of_every_ticket_are_kept(
    name: str, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.train_finetuned.CHECKPOINTS", tmp_path)
    kept: list[np.ndarray] = []
    if name == "embedding":
        member, answers = train_embedding(
            prepared, 2, EmbeddingParams(max_tokens=16), keep=kept.append
        )
    else:
        params = FinetunedParams(max_tokens=16, epochs=1, frozen_layers=5)
        member, answers = train_finetuned(prepared, 2, params, seed=1, keep=kept.append)
    [features] = kept
    used = prepared.rows("train", "valid", "calibration", "test")
    assert features.shape[0] == len(prepared)
    assert np.isfinite(features[used]).all()
    for split in ("train", "test"):
        row = prepared.rows(split)[:1]
        # What frozen layers left is held in half precision.
        np.testing.assert_allclose(
            features[row], member.encode([prepared.texts()[row[0]]]), atol=5e-3
        )
    rows = prepared.rows("test")
    again = member.predict_features(features[rows])["category"]
    np.testing.assert_allclose(answers["category"][rows], again, atol=1e-5)
    np.savez(tmp_path / train.FEATURES, features=features)
    np.testing.assert_array_equal(read_features(tmp_path, prepared)[used], features[used])


def test_features_that_are_missing_or_of_other_tickets_are_refused(
    prepared: Prepared, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="train the member again"):
        read_features(tmp_path, prepared)
    np.savez(tmp_path / train.FEATURES, features=np.zeros((3, 2), np.float32))
    with pytest.raises(DataError, match="speaks of 3 tickets"):
        read_features(tmp_path, prepared)
