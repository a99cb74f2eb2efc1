"""The stage from files to files, on the sample and a linear member."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.prepared import Prepared, read_prepared, write_prepared
from evaluation.assessment import EvaluateParams
from evaluation.files import Evaluation
from evaluation.metrics import FIGURES
from models.ensemble import Ensemble, EnsembleParams
from models.linear import LinearParams
from models.routing import RoutingParams
from pipelines import evaluate as stage
from pipelines.ensemble import read_answers
from pipelines.evaluate import evaluate, find_suspects, write_reports
from pipelines.target_fit import fit_target
from pipelines.train_linear import train_linear

N = 240
TARGETS = ("category", "severity")
PARAMS = """\
dataset: sample
seed: 7
ensemble: {members: [linear]}
evaluate: {bootstrap: 40}
"""


def make_prepared(sample: list[dict[str, str]]) -> Prepared:
    rows = sample[:N]
    split = ["test", "valid", "calibration", *["train"] * 5]
    frame = pd.DataFrame(
        {
            "id": [row["id"] for row in rows],
            "text": [row["text"] for row in rows],
            "language": [row["language"] for row in rows],
            "created_at": None,
            "group": [row["group"] for row in rows],
            "split": [split[i % 8] for i in range(N)],
            "fold": np.array([i % 2 if split[i % 8] == "train" else -1 for i in range(N)], np.int8),
            "near_train": [i % 64 == 0 for i in range(N)],
            "resolution": None,
            "category": [row["category"] for row in rows],
            "severity": [None if i % 9 == 0 else row["severity"] for i, row in enumerate(rows)],
        }
    )
    summary: dict[str, Any] = {
        "dataset": "sample",
        "fallback": True,
        "rows": {"read": N, "accepted": N, "rejected": 0},
        "rejected": {},
        "splits": frame["split"].value_counts().to_dict(),
        "published_split": None,
        "near_train": 4,
        "masked": {},
        "languages": {"en": N},
        "checks": [],
        "licence": "Apache-2.0",
        "citation": "Ticket Assistant contributors",
    }
    targets = {target: tuple(sorted(set(frame[target].dropna()))) for target in TARGETS}
    return Prepared(frame, targets, summary)


@pytest.fixture(scope="module")
def root(sample: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the stages before leave it."""
    root = tmp_path_factory.mktemp("root")
    (root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    prepared = make_prepared(sample)
    write_prepared(root / stage.PREPARED, prepared, "")
    member, answers = train_linear(prepared, 2, LinearParams(max_features=4000))
    trained = root / stage.TRAINED
    member.save(trained / "linear")
    np.savez(trained / "linear/probabilities.npz", **answers)
    fitted, calibrated = {}, {}
    for target in TARGETS:
        fitted[target], found = fit_target(
            prepared,
            target,
            {"linear": answers[target]},
            EnsembleParams(members=("linear",)),
            RoutingParams(),
        )
        calibrated[target] = found.astype(np.float32)
    Ensemble(targets=fitted).write(trained / "ensemble")
    np.savez(trained / "ensemble/probabilities.npz", **calibrated)
    records = root / stage.RECORDS
    records.mkdir(parents=True)
    (records / "train@linear.json").write_text('{"seconds": 3.1, "peak_mib": 200.0}')
    return root


@pytest.fixture(scope="module")
def reports(root: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("TICKETS_TRACKING", "off")
        stage.main()
    return root / stage.REPORTS


def plain_evaluation(root: Path) -> Evaluation:
    """The evaluation without anything that a clock has a say in."""
    prepared = read_prepared(root / stage.PREPARED)
    trained = root / stage.TRAINED
    answers = read_answers(trained / "ensemble", prepared)
    return evaluate(
        prepared,
        {"linear": read_answers(trained / "linear", prepared)},
        stage.read_ensemble(trained / "ensemble"),
        answers,
        None,
        routing=RoutingParams(),
        params=EvaluateParams(bootstrap=20),
        seed=3,
    )


def test_the_stage_writes_what_dvc_expects(reports: Path) -> None:
    written = {str(path.relative_to(reports)) for path in reports.rglob("*") if path.is_file()}
    assert written >= {
        "metrics.json",
        "report.html",
        "model_card.md",
        "behavior.json",
        "label_errors.csv",
        "plots/reliability.csv",
        "plots/risk_coverage.csv",
        "plots/confusion.csv",
        "stages/evaluate.json",
    }


def test_metrics_keep_the_contract(reports: Path) -> None:
    metrics = json.loads((reports / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["dataset"], metrics["fallback"], metrics["n_test"]) == ("sample", True, 30)
    assert metrics["bundle"].startswith("sample-")
    assert set(metrics["seconds"]) == set(metrics["peak_mib"]) == {"train@linear", "evaluate"}
    assert set(metrics["targets"]) == set(TARGETS)
    for figures in metrics["targets"].values():
        for system in (figures, *figures["members"].values()):
            assert {*FIGURES, *(f"{name}_ci" for name in FIGURES)} <= set(system)
    assert metrics["latency"]["threads"] == 1


def test_the_fallback_is_told_everywhere(reports: Path) -> None:
    assert "do not speak of real tickets" in (reports / "report.html").read_text(encoding="utf-8")
    assert "Warning: synthetic" in (reports / "model_card.md").read_text(encoding="utf-8")


def test_the_stage_told_what_it_took(reports: Path) -> None:
    record = json.loads((reports / "stages/evaluate.json").read_text(encoding="utf-8"))
    assert record["seconds"] > 0


def test_no_test_ticket_is_suspected_of_a_wrong_label(reports: Path) -> None:
    with (reports / "label_errors.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["split"] for row in rows} <= {"train", "valid", "calibration"}


def test_a_member_that_is_the_whole_ensemble_has_its_figures(root: Path) -> None:
    figures = plain_evaluation(root).targets["category"].figures
    for name in FIGURES:
        assert figures["members"]["linear"][name] == pytest.approx(figures[name], abs=1e-6), name


def test_the_same_files_give_the_same_reports(root: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_reports(plain_evaluation(root), tmp_path / name)
    first = sorted((tmp_path / "first").rglob("*.*"))
    assert len(first) >= 6
    for path in first:
        other = tmp_path / "second" / path.relative_to(tmp_path / "first")
        assert other.read_bytes() == path.read_bytes(), path.name


def test_without_an_assistant_neither_behaviour_nor_latency_is_told(root: Path) -> None:
    evaluation = plain_evaluation(root)
    assert evaluation.behavior is None
    assert evaluation.latency == {}


def test_without_suspects_the_table_is_empty_and_has_its_columns(
    sample: list[dict[str, str]],
) -> None:
    prepared = make_prepared(sample)
    unknown = {
        target: np.full((N, len(classes)), np.nan, np.float32)
        for target, classes in prepared.targets.items()
    }
    found = find_suspects(prepared, unknown)
    assert found.empty
    assert "suggested" in found.columns
