"""The closing table in the terminal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import DataError
from evaluation import summary
from evaluation.files import Evaluation, metrics_of, write_json
from evaluation.summary import read_metrics, summarise

MakeEvaluation = Callable[..., Evaluation]


def test_the_table_names_figures_classes_and_the_report(make_evaluation: MakeEvaluation) -> None:
    told = summarise(metrics_of(make_evaluation()), Path("/tmp/report.html"))
    for words in ("invented", "accuracy", "macro F1", "ECE", "certified automation", "hardware"):
        assert words in told
    assert "not certified, always to a person" in told
    assert told.rstrip().endswith("report    /tmp/report.html")
    assert "1 FAILED" in told
    assert "FALLBACK" not in told


def test_no_line_is_wider_than_a_terminal(make_evaluation: MakeEvaluation) -> None:
    told = summarise(metrics_of(make_evaluation()), Path("r.html"))
    assert max(map(len, told.splitlines())) <= 88


def test_a_fallback_comes_first(make_evaluation: MakeEvaluation) -> None:
    metrics = metrics_of(make_evaluation()) | {"fallback": True}
    told = summarise(metrics, Path("r.html"))
    assert told.startswith("!!!!")
    assert "SYNTHETIC SAMPLE" in told.split("dataset")[0]


def test_what_was_not_measured_is_not_told(make_evaluation: MakeEvaluation) -> None:
    bare = {"bundle": None, "behavior": None, "latency": {}}
    bare |= {"costs": {"seconds": {}, "peak_mib": {}}}
    told = summarise(metrics_of(make_evaluation(**bare)), Path("r.html"))
    assert not {"bundle", "behaviour", "latency", "time"} & set(told.split())


def test_without_metrics_the_way_to_get_them_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dvc repro"):
        read_metrics(tmp_path)


def test_the_command_prints_the_table(
    make_evaluation: MakeEvaluation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(summary, "REPORTS", tmp_path)
    write_json(tmp_path / "metrics.json", metrics_of(make_evaluation()))
    summary.main()
    assert str(tmp_path / "report.html") in capsys.readouterr().out
