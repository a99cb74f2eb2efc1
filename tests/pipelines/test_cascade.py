"""The stage from files to a file, and what it takes to be no cascade."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from data.prepared import Prepared, write_prepared
from evaluation.assessment import EvaluateParams
from models.cascade import FILE, FIRST, CascadeParams, find_cascade
from models.content import model_files
from models.ensemble import Ensemble, EnsembleParams
from models.routing import RoutingParams
from pipelines import cascade as stage
from pipelines.evaluate import evaluate
from pipelines.target_fit import fit_target
from tests.models.cascades import CLASSES, draw_tiers

SPLITS = {"train": 4000, "valid": 900, "calibration": 900, "test": 200}
N = sum(SPLITS.values())
TOLD = {"linear": 0.5, "finetuned": 0.5}


def make_prepared(truth: np.ndarray) -> Prepared:
    frame = pd.DataFrame(
        {
            "id": [f"t-{i}" for i in range(N)],
            "text": [f"ticket {i}" for i in range(N)],
            "language": "en",
            "created_at": None,
            "group": [f"g-{i}" for i in range(N)],
            "split": np.repeat(list(SPLITS), list(SPLITS.values())),
            "fold": np.zeros(N, np.int8),
            "near_train": False,
            "resolution": None,
            "topic": np.array(CLASSES)[truth],
        }
    )
    return Prepared(
        frame, {"topic": CLASSES}, {"dataset": "invented", "ordered": [], "published_split": None}
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the stages before leave it: two members, the second the better one."""
    root = tmp_path_factory.mktemp("root")
    first, second, truth = draw_tiers(np.random.default_rng(2), N)
    prepared = make_prepared(truth)
    write_prepared(root / stage.PREPARED, prepared, "")
    answers = {"linear": first.astype(np.float32), "finetuned": second.astype(np.float32)}
    params = EnsembleParams(members=tuple(answers), pool_C=None)
    fitted, calibrated = fit_target(prepared, "topic", answers, params, RoutingParams())
    trained = root / stage.TRAINED
    weighted = fitted.model_copy(update={"weights": TOLD})
    Ensemble(targets={"topic": weighted}).write(trained / "ensemble")
    parts = {**answers, "ensemble": calibrated.astype(np.float32)}
    for name, found in parts.items():
        (trained / name).mkdir(exist_ok=True)
        np.savez(trained / name / "probabilities.npz", topic=found)
    return root


def run_stage(root: Path, monkeypatch: pytest.MonkeyPatch, **cascade: object) -> Path:
    """Run the stage with these params; gives its folder."""
    params = {"dataset": "sample", "seed": 1, "cascade": cascade}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(root)
    monkeypatch.setenv("TICKETS_TRACKING", "off")
    stage.main()
    return root / stage.TRAINED / "cascade"


def test_the_stage_writes_a_cascade_that_fits_its_ensemble(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_stage(root, monkeypatch)
    ensemble = stage.read_ensemble(root / stage.TRAINED / "ensemble")
    cascade = find_cascade(folder, ensemble)
    assert cascade is not None
    assert cascade.agreement.tickets == SPLITS["valid"] + SPLITS["calibration"]
    assert cascade.agreement.stopped > 100
    assert cascade.targets["topic"].temperature == ensemble.targets["topic"].temperatures[FIRST]
    first = folder.joinpath(FILE).read_bytes()
    assert run_stage(root, monkeypatch).joinpath(FILE).read_bytes() == first
    record = json.loads((root / stage.RECORDS / "cascade.json").read_text())
    assert record["seconds"] > 0


def test_a_bundle_holds_the_cascade_where_there_is_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(root, monkeypatch)
    assert "cascade/cascade.json" in model_files(root / stage.TRAINED)
    run_stage(root, monkeypatch, enabled=False)
    assert not any(name.startswith("cascade") for name in model_files(root / stage.TRAINED))


def test_the_test_split_measures_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_stage(root, monkeypatch)
    prepared = stage.read_prepared(root / stage.PREPARED)
    trained = root / stage.TRAINED
    ensemble = stage.read_ensemble(trained / "ensemble")
    answers = {m: stage.read_answers(trained / m, prepared) for m in (*TOLD, "ensemble")}
    cascade = find_cascade(folder, ensemble)
    found = evaluate(
        prepared,
        {name: answers[name] for name in TOLD},
        ensemble,
        answers["ensemble"],
        None,
        routing=RoutingParams(),
        params=EvaluateParams(bootstrap=2),
        seed=1,
        cascade=cascade,
    )
    figures = found.targets["topic"].figures["cascade"]
    assert cascade is not None
    test, told = prepared.rows("test"), answers[FIRST]["topic"].astype(np.float64)
    stopped = cascade.stops(cascade.calibrated({"topic": told[test]}), ["en"] * len(test))
    assert figures["n_test"] == len(test)
    assert figures["stopped"] == pytest.approx(stopped.mean())
    assert sum(entry["stopped"] for entry in figures["classes"]) == stopped.sum() > 0
    assert figures["agreement"] > 0.97
    assert found.tiers == {}


def test_the_temperature_of_the_folds_is_their_own(root: Path) -> None:
    prepared = stage.read_prepared(root / stage.PREPARED)
    trained = root / stage.TRAINED
    ensemble = stage.read_ensemble(trained / "ensemble")
    first, second = (
        stage.read_answers(trained / m, prepared)["topic"] for m in (FIRST, "ensemble")
    )
    train = prepared.rows("train")
    sharp = first.astype(np.float64)
    sharp[train] = sharp[train] ** 3 / (sharp[train] ** 3).sum(axis=1, keepdims=True)
    target = ensemble.targets["topic"]
    plain = stage.answers_of(prepared, "topic", target, first, second, train)
    found = stage.answers_of(prepared, "topic", target, sharp.astype(np.float32), second, train)
    np.testing.assert_allclose(found.first[train], plain.first[train], atol=0.005)
    others = prepared.rows("test")
    np.testing.assert_array_equal(found.first[others], plain.first[others])


@pytest.mark.parametrize("params", [{"enabled": False}, {"agreement": 0.9999}])
def test_no_cascade_leaves_an_empty_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch, params: dict[str, object]
) -> None:
    run_stage(root, monkeypatch)
    folder = run_stage(root, monkeypatch, **params)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("weights", [{"linear": 1.0, "finetuned": 0.0}, {"finetuned": 1.0}])
def test_an_ensemble_of_one_member_needs_none(
    root: Path, monkeypatch: pytest.MonkeyPatch, weights: dict[str, float]
) -> None:
    kept = stage.read_ensemble(root / stage.TRAINED / "ensemble")
    target = kept.targets["topic"].model_copy(update={"weights": weights})
    kept.model_copy(update={"targets": {"topic": target}}).write(root / stage.TRAINED / "ensemble")
    try:
        assert list(run_stage(root, monkeypatch).iterdir()) == []
    finally:
        kept.write(root / stage.TRAINED / "ensemble")


def test_without_out_of_fold_answers_calibration_rows_show_it(root: Path) -> None:
    prepared = stage.read_prepared(root / stage.PREPARED)
    trained = root / stage.TRAINED
    first = dict(stage.read_answers(trained / FIRST, prepared))
    second = stage.read_answers(trained / "ensemble", prepared)
    ensemble = stage.read_ensemble(trained / "ensemble")
    policy = ensemble.targets["topic"].routing.model_copy(update={"excess": None})
    target = ensemble.targets["topic"].model_copy(update={"routing": policy})
    first["topic"] = first["topic"].copy()
    first["topic"][prepared.rows("train")] = np.nan
    cascade = stage.fit(
        prepared,
        ensemble.model_copy(update={"targets": {"topic": target}}),
        first,
        second,
        np.zeros(N, dtype=bool),
        CascadeParams(agreement=0.98),
    )
    assert cascade is not None
    assert cascade.agreement.tickets == SPLITS["calibration"]
