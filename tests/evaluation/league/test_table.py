"""The league in words."""

from typing import Any

from evaluation.league.benchmark import Reference, Result
from evaluation.league.table import render_headlines, render_league


def result(**facts: Any) -> Result:
    given: dict[str, Any] = {
        "benchmark": "one", "split": "test", "metric": "f1", "value": 0.75, "n": 1200,
        "seconds": 90.0,
    }  # fmt: skip
    return Result.model_validate(given | facts)


RESULTS = [
    result(ci=(0.7, 0.8)),
    result(metric="recall", published=(Reference(system="A | B", value=0.5, source="o/n"),)),
    result(metric="precision"),
    result(metric="shared_texts", value=3.0),
    result(benchmark="two", metric="accuracy"),
]


def test_headlines_are_first_figures_and_those_published() -> None:
    lines = render_headlines(RESULTS).splitlines()[2:]
    assert len(lines) == 3
    assert "0.7500 [0.700–0.800]" in lines[0]
    assert "A \\| B 0.5000 (o/n)" in lines[1]
    assert lines[2].startswith("| two | test | accuracy")


def test_the_page_holds_every_figure() -> None:
    page = render_league(RESULTS)
    assert page.count("\n## ") == 2
    assert "1.5 minutes" in page
    assert "| one | test | shared_texts | 3 | 1\u2009200 | – |" in page
    assert page.count("| one |") == 4


def test_an_empty_league_has_no_rows() -> None:
    assert len(render_headlines([]).splitlines()) == 2
