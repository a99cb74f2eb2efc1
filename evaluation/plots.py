"""Figures of the report: drawn once by matplotlib, coloured by the page they stand in.

Colours become CSS variables when a figure turns into inline SVG, so that one drawing serves light,
dark and paper. The palette is Okabe and Ito's, made for colour-blind
readers ("Color Universal Design", 2008); lines differ in dash and marker too.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from evaluation.metrics import Integers

INK, FAINT, ACCENT, WARM, GREEN = "#1d2430", "#9aa3b2", "#0072b2", "#d55e00", "#009e73"
VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    ACCENT: "--series-1",
    WARM: "--series-2",
    GREEN: "--series-3",
}
"""What each colour is called on a page that may be dark."""

SIZE = (6.0, 4.8)
"""Inches; figures that stand side by side share it, and so their letters are equally large."""

_STYLES = ((ACCENT, "-", "o"), (WARM, "--", "s"), (GREEN, "-.", "^"), (INK, ":", "D"))

RC: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def reliability_figure(table: pd.DataFrame, ece: float) -> Figure:
    """Accuracy against confidence per bin, with the number of tickets below it."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=SIZE, layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        top.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="perfect")
        top.vlines(
            table["confidence"],
            table[["confidence", "accuracy"]].min(axis=1),
            table[["confidence", "accuracy"]].max(axis=1),
            color=WARM,
            linewidth=1.5,
        )
        top.plot(table["confidence"], table["accuracy"], color=ACCENT, marker="o", label="measured")
        top.set(ylabel="share that is right", ylim=(-0.02, 1.02), xlim=(0, 1))
        top.text(0.98, 0.05, f"ECE {ece:.4f}", ha="right", transform=top.transAxes)
        top.legend(loc="upper left")
        width = table["high"] - table["low"]
        bottom.bar(
            table["low"] + width / 2, table["tickets"], width * 0.86, color=ACCENT, alpha=0.55
        )
        bottom.set(xlabel="confidence", ylabel="tickets")
        _percent(top, "both")
        _percent(bottom, "x")
    return figure


def risk_coverage_figure(
    tables: Mapping[str, pd.DataFrame], certified: tuple[float, float] | None, promised: float
) -> Figure:
    """Accuracy of the most confident share, a line per system, and the certified point.

    Parameters
    ----------
    certified : (share routed automatically, its measured accuracy); None where nothing is
    """
    with mpl.rc_context(RC):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        lowest = min(float(table["accuracy"].iloc[-1]) for table in tables.values())
        for index, (name, table) in enumerate(tables.items()):
            color, dash, marker = _STYLES[index % len(_STYLES)]
            axes.plot(
                table["coverage"],
                table["accuracy"],
                color=color,
                linestyle=dash,
                marker=marker,
                markevery=(0.08, 0.2),
                markersize=4,
                label=name,
            )
        axes.axhline(promised, color=FAINT, linewidth=1)
        axes.text(0.01, promised, f"promised: {promised:.0%}", va="bottom", fontsize=9)
        if certified is not None:
            axes.plot(
                *certified,
                marker="*",
                markersize=17,
                color=ACCENT,
                markeredgecolor=INK,
                markeredgewidth=0.6,
                linestyle="none",
                label="certified, per class",
            )
        floor = max(0.0, min(lowest, promised) - 0.03)
        axes.set(
            xlabel="share of tickets answered, the most confident first",
            ylabel="of those, the share that is right",
            xlim=(0, 1.01),
            ylim=(floor, 1.003),
        )
        axes.legend(loc="lower left")
        _percent(axes, "both")
    return figure


def confusion_figure(counts: Integers, classes: Sequence[str]) -> Figure:
    """Share of each given label that was answered as each class."""
    k = len(classes)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    with mpl.rc_context({**RC, "axes.grid": False}):
        side = max(4.0, min(0.55 * k + 2.0, 24.0))
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if k <= 30:
            axes.set_xticks(range(k), classes, rotation=45, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(k), classes)
            for row, column in zip(*shares.nonzero(), strict=True):
                share = shares[row, column]
                axes.text(
                    column,
                    row,
                    f"{share:.0%}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if share > 0.55 else "black",
                )
        axes.set(xlabel="answered", ylabel="given")
    return figure


def to_svg(figure: Figure, name: str, alt: str) -> str:
    """The figure as an inline SVG element whose colours are the page's own.

    Parameters
    ----------
    name : prefix of every id inside, unique on the page
    alt : what a reader who cannot see the figure is told
    """
    buffer = io.StringIO()
    # Without a fixed salt the ids differ from run to run, and so would the report.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    label = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(
        r'<svg([^>]*?) width="[^"]*"([^>]*)>',
        rf'<svg role="img" aria-label="{label}"\1\2>',
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1),
        count=1,
    )


def _percent(axes: Axes, which: str) -> None:
    for name in ("x", "y") if which == "both" else (which,):
        getattr(axes, f"{name}axis").set_major_formatter(PercentFormatter(1.0))
