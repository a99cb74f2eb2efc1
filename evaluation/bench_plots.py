"""Two drawings of the benchmark of serving, for its page: what each system can take, how fast."""

import io
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from evaluation.bench_records import BenchReport, PointFigures
from evaluation.bench_tables import peak

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, made for colour-blind readers ("Color Universal Design", 2008)."""

DASHES = ("-", "--", "-.", ":")
MARKERS = "os^Dv*xPp<h"
"""More than there are systems: two of one colour have a mark each."""


def throughput_svg(report: BenchReport) -> str:
    """Answers a second by clients, a line per system."""
    return _lines(report, "clients, each with one request at a time", "answers a second", _closed)


def latency_svg(report: BenchReport) -> str:
    """99th percentile by requests sent a second, a line per system; only what did not fail."""
    return _lines(report, "requests sent a second", "p99 in ms", _open)


def _closed(points: tuple[PointFigures, ...]) -> list[tuple[float, float]]:
    return [(float(p.clients), p.requests_per_second) for p in points if p.clients is not None]


def _open(points: tuple[PointFigures, ...]) -> list[tuple[float, float]]:
    return [
        (p.rate, p.p99_ms)
        for p in points
        if p.rate is not None and p.p99_ms is not None and not p.failed
    ]


def _lines(
    report: BenchReport,
    along: str,
    up: str,
    values: Callable[[tuple[PointFigures, ...]], list[tuple[float, float]]],
) -> str:
    """An SVG file, the same bytes for the same report, with the workers that did best.

    The scale is logarithmic: what reads words alone answers ten times as often as the rest.
    """
    figure = Figure(figsize=(9.0, 4.5), layout="constrained")
    axes = figure.subplots()
    for index, name in enumerate(dict.fromkeys(system.name for system in report.systems)):
        workers = _best_workers(report, name)
        found = sorted(values(report.of(name, workers)))
        if not found:
            continue
        axes.plot(
            *zip(*found, strict=True),
            color=COLOURS[index % len(COLOURS)],
            linestyle=DASHES[index % len(DASHES)],
            marker=MARKERS[index % len(MARKERS)],
            label=f"{name}, workers: {workers}",
        )
    axes.set(xlabel=along, ylabel=up)
    axes.set_yscale("log")
    for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        which(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="y", which="minor", labelsize="small")
    axes.grid(visible=True, alpha=0.3)
    if axes.lines:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    buffer = io.StringIO()
    # Without a fixed salt the ids differ from run to run, and so would the file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": along}):
        figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    return buffer.getvalue()


def _best_workers(report: BenchReport, name: str) -> int:
    """The number of workers with which a system answered most."""
    best = peak(point for point in report.points if point.system == name and not point.repeated)
    return best.workers if best else 1
