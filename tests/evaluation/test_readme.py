"""The README quotes what was measured, and nothing else."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from data.errors import DataError
from evaluation import readme
from evaluation.bench_tables import REPORT as BENCH_REPORT
from evaluation.bench_tables import read_bench
from evaluation.bench_tables import render_headlines as render_bench_headlines
from evaluation.league.published import read_league
from evaluation.league.results import LEAGUE as LEAGUE_RESULTS
from evaluation.league.results import read_results as read_league_results
from evaluation.league.table import render_headlines, render_league
from evaluation.readme import (
    BENCH,
    FIGURES,
    LEAGUE,
    LEAGUE_PAGE,
    PERFORMANCE_PAGE,
    REPLAY,
    RESULTS,
    read_results,
    render_figures,
    with_bench,
    with_part,
)
from evaluation.replay_summary import REPLAY as REPLAY_REPORT
from evaluation.replay_summary import read_replay, render_replay
from evaluation.wording import percent
from tests.bench_fakes import make_report

ROOT = Path(__file__).parents[2]
MARKERS = "<!-- figures: begin -->\nold\n<!-- figures: end -->"
LEAGUE_MARKERS = "<!-- league: begin -->\n<!-- league: end -->"
BENCH_MARKERS = "<!-- bench: begin -->\n<!-- bench: end -->"
REPLAY_MARKERS = "<!-- replay: begin -->\n<!-- replay: end -->"


def test_the_figures_in_the_readme_are_those_that_were_kept() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    figures = render_figures(read_results(ROOT / RESULTS), read_league())
    assert with_part(page, FIGURES, figures) == page


def test_the_league_in_the_readme_is_the_one_that_was_run() -> None:
    results = read_league_results(ROOT / LEAGUE_RESULTS)
    assert results
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_part(page, LEAGUE, render_headlines(results)) == page
    assert (ROOT / LEAGUE_PAGE).read_text(encoding="utf-8") == render_league(results)


def test_the_benchmark_in_the_pages_is_the_one_that_was_run() -> None:
    report = read_bench(ROOT / BENCH_REPORT)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_part(page, BENCH, render_bench_headlines(report)) == page
    page = (ROOT / PERFORMANCE_PAGE).read_text(encoding="utf-8")
    assert with_bench(page, report) == page


def test_the_replay_in_the_readme_is_the_one_that_was_played() -> None:
    report = read_replay(ROOT / REPLAY_REPORT)
    assert report is not None
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_part(page, REPLAY, render_replay(report)) == page
    assert report["complete"]
    for year in report["real"]["years"]:
        assert f"| {year['year']} | {percent(year['fixed']['accuracy'])} |" in page


def test_what_was_not_played_is_not_told(tmp_path: Path) -> None:
    assert "No replay is kept" in render_replay(read_replay(tmp_path / "replay.json"))


def test_no_kept_figure_is_of_the_synthetic_sample() -> None:
    for metrics in read_results(ROOT / RESULTS).values():
        assert not metrics["fallback"]
        assert metrics["dataset"] != "sample"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(DataError, match="found 0"):
        with_part("no place for figures", FIGURES, "figures")


def test_only_what_stands_between_the_markers_changes() -> None:
    page = with_part(f"before\n{MARKERS}\nafter", FIGURES, "new")
    assert page == "before\n<!-- figures: begin -->\nnew\n<!-- figures: end -->\nafter"


def test_a_run_is_kept_without_its_slices_and_quoted(tmp_path: Path, monkeypatch) -> None:
    figures = {"accuracy": 0.9, "macro_f1": 0.8, "ece": 0.01, "automatic_accuracy": 0.97}
    figures |= {"certified_automation": 0.7, "certified_automation_ci": [0.6, 0.8], "slices": [1]}
    figures["classes"] = [
        {"accuracy": 0.96, "automatic": 9},
        {"accuracy": 0.94, "automatic": 5},
        {"accuracy": None, "automatic": 0},
    ]
    metrics = {
        "dataset": "real",
        "published_split": None,
        "seconds": {"train": 120.0},
        "targets": {"queue": figures},
    }
    (tmp_path / "evaluation/reports").mkdir(parents=True)
    reports = tmp_path / "evaluation/reports/metrics.json"
    reports.write_text(json.dumps(metrics), encoding="utf-8")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / PERFORMANCE_PAGE, tmp_path / PERFORMANCE_PAGE)
    markers = f"{MARKERS}\n{LEAGUE_MARKERS}\n{BENCH_MARKERS}\n{REPLAY_MARKERS}\n"
    (tmp_path / "README.md").write_text(markers, encoding="utf-8")
    (tmp_path / BENCH_REPORT).write_text(make_report().model_dump_json(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["readme", "keep", "shipped"])
    readme.main()
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| **real**: own test split |" in page
    assert "| shipped, queue | 0.9000 | 0.8000 | 0.0100 | 70.0\u00a0% [60.0–80.0]" in page
    kept = json.loads((tmp_path / "docs/results/shipped.json").read_text(encoding="utf-8"))
    assert "| 97.0\u00a0% | 94.0\u00a0% | 2 |" in page
    assert "slices" not in kept["targets"]["queue"]
    assert "Invented 3000, 2 cores" in page
    assert "Invented 3000" in (tmp_path / PERFORMANCE_PAGE).read_text(encoding="utf-8")
    assert (tmp_path / "docs/performance/throughput.svg").read_text().startswith("<?xml")
    monkeypatch.setattr(sys, "argv", ["readme", "keep", "shipped", "--untimed"])
    readme.main()
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| 97.0\u00a0% | 94.0\u00a0% | – |" in page


def test_published_figures_stand_beside_ours_only_on_their_own_split() -> None:
    figures = {"accuracy": 0.9, "macro_f1": 0.8, "ece": 0.01, "automatic_accuracy": 0.97}
    figures |= {"certified_automation": 0.7, "certified_automation_ci": [0.6, 0.8], "classes": []}
    run = {"dataset": "it-service-tickets", "seconds": {}, "targets": {"category": figures}}
    table = render_figures({"mine": run | {"published_split": "luna"}}, read_league())
    assert "DistilBERT" in table
    assert "TextCNN" not in table
    assert "DistilBERT" not in render_figures({"mine": run | {"published_split": None}}, {})


def test_minutes_are_told_with_the_processor_where_it_is_known() -> None:
    figures = {"accuracy": 0.9, "macro_f1": 0.8, "ece": 0.01, "automatic_accuracy": 0.97}
    figures |= {"certified_automation": 0.7, "certified_automation_ci": [0.6, 0.8], "classes": []}
    run = {"dataset": "mine", "published_split": None, "targets": {"queue": figures}}
    run |= {"seconds": {"fetch": 30.0, "prepare": 90.0}}
    assert "| 2 |" in render_figures({"a": run}, {})
    machine = {"machine": {"cores": 2, "instructions": "AVX2"}}
    assert "| 2 (AVX2) |" in render_figures({"a": run | machine}, {})
