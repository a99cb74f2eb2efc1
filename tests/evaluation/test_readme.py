"""The README quotes what was measured, and nothing else."""

from pathlib import Path

import pytest

from data.errors import DataError
from evaluation.readme import BEGIN, END, RESULTS, read_results, render_figures, with_figures

ROOT = Path(__file__).parents[2]


def test_the_figures_in_the_readme_are_those_that_were_kept() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_figures(page, render_figures(read_results(ROOT / RESULTS))) == page


def test_no_kept_figure_is_of_the_synthetic_sample() -> None:
    for metrics in read_results(ROOT / RESULTS).values():
        assert not metrics["fallback"]
        assert metrics["dataset"] != "sample"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(DataError, match="found 0"):
        with_figures("no place for figures", "figures")


def test_only_what_stands_between_the_markers_changes() -> None:
    page = with_figures(f"before\n{BEGIN}\nold\n{END}\nafter", "new")
    assert page == f"before\n{BEGIN}\nnew\n{END}\nafter"
