"""The figures in README.md and docs/performance.md, generated from what was measured.

`python -m evaluation.readme` writes them anew; `python -m evaluation.readme keep NAME` first keeps
the metrics of the last run as docs/results/NAME.json, with `--untimed` but for how long it took: of
a run that was interrupted or shared the machine that says nothing.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DataError
from evaluation.bench_plots import latency_svg, throughput_svg
from evaluation.bench_records import BenchReport
from evaluation.bench_tables import (
    DRAWINGS,
    LATENCY,
    THROUGHPUT,
    read_bench,
    render_closed,
    render_drawings,
    render_open,
    render_rest,
    render_setting,
)
from evaluation.bench_tables import (
    render_headlines as render_bench_headlines,
)
from evaluation.files import without_slices
from evaluation.growth import read_growth, render_growth
from evaluation.league.published import DatasetLeague, Published, read_league
from evaluation.league.results import read_results as read_league_results
from evaluation.league.table import render_headlines, render_league
from evaluation.replay_summary import read_replay, render_replay
from evaluation.summary import REPORTS, read_metrics
from evaluation.wording import DASH, interval, number, percent

README = Path("README.md")
RESULTS = Path("docs/results")
UNTIMED = "--untimed"
FIGURES, LEAGUE, BENCH, REPLAY, GROWTH = "figures", "league", "bench", "replay", "growth"
"""Names of the generated parts of the README, each between two markers."""

LEAGUE_PAGE = Path("docs/league.md")
PERFORMANCE_PAGE = Path("docs/performance.md")


def render_figures(
    results: Mapping[str, Mapping[str, Any]], league: Mapping[str, DatasetLeague]
) -> str:
    """A markdown table: per test split our kept runs, then what others published on that split."""
    lines = [
        "| run | accuracy | macro F1 | ECE | routed unseen | right | worst class | minutes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    by_split: dict[tuple[str, str | None], list[str]] = {}
    for name, metrics in results.items():
        measured_on = metrics["dataset"], metrics["published_split"]
        seconds, machine = metrics["seconds"], metrics.get("machine")
        minutes = f"{sum(seconds.values()) / 60:.0f}" if seconds else DASH
        if seconds and machine:
            minutes += f" ({machine['instructions']})"
        for target, figures in metrics["targets"].items():
            by_split.setdefault(measured_on, []).append(_own_row(name, target, figures, minutes))
    for (dataset, split), rows in by_split.items():
        entry = league.get(dataset)
        published = entry.splits.get(split) if entry and split else None
        title = published.title if published else "own test split"
        lines += [f"| **{dataset}**: {title} | | | | | | | |", *rows]
        if published:
            lines += [_published_row(row) for row in published.rows]
    return "\n".join(lines)


def _own_row(name: str, target: str, figures: Mapping[str, Any], minutes: str) -> str:
    routed_classes = [c["accuracy"] for c in figures["classes"] if c["automatic"]]
    worst = percent(min(routed_classes, default=None))
    routed, between = figures["certified_automation"], figures["certified_automation_ci"]
    return (
        f"| {name}, {target} | {figures['accuracy']:.4f} | {figures['macro_f1']:.4f} "
        f"| {figures['ece']:.4f} | {percent(routed)} [{interval(between)}] "
        f"| {percent(figures['automatic_accuracy'])} | {worst} | {minutes} |"
    )


def _published_row(row: Published) -> str:
    return (
        f"| [{row.system}](https://github.com/{row.source}) | {number(row.accuracy, 4)} "
        f"| {number(row.macro_f1, 4)} | {number(row.ece, 4)} | {percent(row.coverage)} "
        f"| {percent(row.automatic_accuracy)} | {DASH} | {DASH} |"
    )


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Kept runs by name, in alphabetical order."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }


def with_part(page: str, name: str, content: str) -> str:
    """The page with what stands between the two markers of this name replaced.

    Raises
    ------
    DataError
        If the markers are not there once each.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    block = f"{begin}\n{content}\n{end}"
    changed, count = pattern.subn(lambda _: block, page)
    if count != 1:
        raise DataError(f"the page needs the markers {begin} and {end} once; found {count}")
    return changed


def with_bench(page: str, report: BenchReport | None) -> str:
    """docs/performance.md with the tables of a benchmark."""
    parts = {
        BENCH: render_bench_headlines,
        "bench-drawings": render_drawings,
        "bench-closed": render_closed,
        "bench-open": render_open,
        "bench-rest": render_rest,
        "bench-setting": render_setting,
    }
    for name, render in parts.items():
        page = with_part(page, name, render(report))
    return page


def write_drawings(report: BenchReport, folder: Path) -> None:
    """The two drawings that docs/performance.md shows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / THROUGHPUT).write_text(throughput_svg(report), encoding="utf-8")
    (folder / LATENCY).write_text(latency_svg(report), encoding="utf-8")


def main() -> None:
    if sys.argv[1:2] == ["keep"]:
        RESULTS.mkdir(parents=True, exist_ok=True)
        metrics = without_slices(read_metrics(REPORTS))
        if UNTIMED in sys.argv[3:]:
            metrics["seconds"] = {}
        kept = json.dumps(metrics, indent=1) + "\n"
        (RESULTS / f"{sys.argv[2]}.json").write_text(kept, encoding="utf-8")
    figures = render_figures(read_results(RESULTS), read_league())
    results = read_league_results()
    bench = read_bench()
    page = with_part(README.read_text(encoding="utf-8"), FIGURES, figures)
    page = with_part(page, LEAGUE, render_headlines(results))
    page = with_part(page, BENCH, render_bench_headlines(bench))
    page = with_part(page, REPLAY, render_replay(read_replay()))
    README.write_text(page, encoding="utf-8")
    LEAGUE_PAGE.write_text(render_league(results), encoding="utf-8")
    performance = with_bench(PERFORMANCE_PAGE.read_text(encoding="utf-8"), bench)
    performance = with_part(performance, GROWTH, render_growth(read_growth()))
    PERFORMANCE_PAGE.write_text(performance, encoding="utf-8")
    if bench is not None:
        write_drawings(bench, PERFORMANCE_PAGE.parent / DRAWINGS)


if __name__ == "__main__":
    main()
