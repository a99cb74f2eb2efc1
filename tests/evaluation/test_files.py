"""metrics.json keeps its contract, and the plots' tables their columns."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from evaluation.files import Evaluation, metrics_of, plot_tables, write_json
from evaluation.metrics import FIGURES

MakeEvaluation = Callable[..., Evaluation]


def test_metrics_hold_what_other_programs_read(make_evaluation: MakeEvaluation) -> None:
    metrics = json.loads(json.dumps(metrics_of(make_evaluation()), allow_nan=False))
    assert metrics["dataset"] == "invented"
    assert metrics["fallback"] is False
    assert metrics["bundle"] == "invented-0a1b2c3d"
    assert metrics["n_test"] == 300
    assert metrics["seconds"] == {"fetch": 1.5, "evaluate": 20.0}
    assert metrics["peak_mib"]["evaluate"] == 512.4
    topic = metrics["targets"]["topic"]
    for figures in (topic, *topic["members"].values()):
        for name in FIGURES:
            low, high = figures[f"{name}_ci"]
            assert low <= figures[name] <= high
    assert set(topic["members"]) == {"linear", "finetuned"}


def test_behaviour_is_summed_up(make_evaluation: MakeEvaluation) -> None:
    behavior = metrics_of(make_evaluation())["behavior"]
    assert behavior == {"passed": False, "tests": 3, "failed": 1, "skipped_cases": 10}
    assert metrics_of(make_evaluation(behavior=None))["behavior"] is None


def test_plots_have_a_row_per_point_and_name_target_and_system(
    make_evaluation: MakeEvaluation,
) -> None:
    tables = plot_tables(make_evaluation())
    assert set(tables) == {"reliability.csv", "risk_coverage.csv", "confusion.csv"}
    for name in ("reliability.csv", "risk_coverage.csv"):
        assert set(tables[name]["system"]) == {"ensemble", "linear", "finetuned"}
    assert len(tables["confusion.csv"]) == 280
    assert isinstance(tables["confusion.csv"], pd.DataFrame)


def test_a_number_that_is_none_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "deep" / "x.json", {"value": float("nan")})
