"""The league as markdown: what was measured, and what others published beside it."""

from collections.abc import Sequence
from itertools import groupby

from evaluation.league.benchmark import SHARED_TEXTS, Result
from evaluation.wording import DASH, count, number

HEADLINES = {
    "rule-entities": (("sample", "span_f1"), ("presidio-synth, coarse dates", "span_f1")),
    "stackoverflow-ner": (("test", "span_f1"),),
    "senti4sd": (("published test", "macro_f1"), ("five-fold", "macro_f1")),
    "clinc150": (
        ("test", "accuracy"),
        ("test + oos_test", "auroc"),
        ("test + oos_test, 95% in-scope acceptance on val", "oos_recall"),
    ),
    "gitbugs-priority": (("test", "macro_f1"), ("test", "certified_automation")),
    "apache-priority": (("test", "macro_f1"), ("test", "certified_automation")),
    "severity-sample": (("test", "macro_f1"), ("test", "level_error")),
    "gitbugs-duplicates": (("all", "recall_at_5"), ("all", "recall_at_10")),
}
"""Benchmark -> (split, metric) of the figures that the README quotes."""


def render_headlines(results: Sequence[Result]) -> str:
    """Of each benchmark what `HEADLINES` names, or else its first figure.

    Each figure that others published too stands there as well.
    """
    told = [
        result
        for name, figures in groupby(results, key=lambda result: result.benchmark)
        for place, result in enumerate(figures)
        if result.published
        or (
            place == 0
            if name not in HEADLINES
            else (result.split, result.metric) in HEADLINES[name]
        )
    ]
    return "\n".join([*_HEAD, *map(_row, told)])


def render_league(results: Sequence[Result]) -> str:
    """The whole league as a page, a table per benchmark."""
    parts = [
        "# League",
        "Measured by `make league`, on public data with the published splits; brackets are 95 % "
        "intervals by bootstrap. `shared_texts` counts test texts that occur in train too. Written "
        "by `python -m evaluation.readme` from `evaluation/reports/league.json`.",
    ]
    for name, figures in groupby(results, key=lambda result: result.benchmark):
        rows = list(figures)
        parts += [f"## {name}", f"{rows[0].seconds / 60:.1f} minutes, training included."]
        parts.append("\n".join([*_HEAD, *map(_row, rows)]))
    return "\n\n".join(parts) + "\n"


_HEAD = (
    "| benchmark | split | figure | ours | n | others |",
    "|---|---|---|---|---|---|",
)


def _row(result: Result) -> str:
    if result.metric == SHARED_TEXTS:
        value = count(result.value)
    else:
        value = number(result.value, 4)
        if result.ci:
            value += f" [{number(result.ci[0], 3)}–{number(result.ci[1], 3)}]"
    others = "; ".join(f"{p.system} {number(p.value, 4)} ({p.source})" for p in result.published)
    cells = (result.benchmark, result.split, result.metric, value, count(result.n), others or DASH)
    return f"| {' | '.join(_cell(text) for text in cells)} |"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
