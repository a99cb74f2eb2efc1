"""The league as markdown: what was measured, and what others published beside it."""

from collections.abc import Sequence
from itertools import groupby

from evaluation.league.benchmark import SHARED_TEXTS, Result
from evaluation.wording import DASH, count, number


def render_headlines(results: Sequence[Result]) -> str:
    """A row per benchmark: its first figure, and each figure that others published too."""
    told = [
        result
        for _, figures in groupby(results, key=lambda result: result.benchmark)
        for place, result in enumerate(figures)
        if place == 0 or result.published
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
