"""The figure of what each way to answer is worth and takes."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from evaluation.plots import ACCENT, FAINT, INK, RC, SIZE, WARM
from evaluation.tradeoffs import Design


def tradeoff_figure(designs: Sequence[Design]) -> Figure:
    """Accuracy and certified automation against milliseconds, of one target.

    Above the accuracy with its Pareto front, below the share that is routed; what the bundle ships
    is filled. Numbers count the designs from the quickest on, as the table beside it does.
    """
    with mpl.rc_context(RC):
        figure = Figure(figsize=(SIZE[0] * 1.5, SIZE[1] * 1.35), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True)
        front = sorted((d for d in designs if d.best), key=lambda d: d.milliseconds)
        top.plot(
            [d.milliseconds for d in front],
            [d.accuracy for d in front],
            color=FAINT,
            drawstyle="steps-post",
            zorder=1,
        )
        for axes, figure_of in ((top, "accuracy"), (bottom, "certified_automation")):
            for number, design in enumerate(sorted(designs, key=lambda d: d.milliseconds), 1):
                color = ACCENT if design.best else WARM
                value = getattr(design, figure_of)
                axes.plot(
                    design.milliseconds,
                    value,
                    marker="o" if design.best else "s",
                    color=color,
                    markerfacecolor=color if design.shipped else "none",
                    markersize=8 if design.shipped else 6,
                )
                axes.annotate(
                    str(number),
                    (design.milliseconds, value),
                    # Those of one accuracy stand side by side: above one, below the next.
                    xytext=(0, 8 if number % 2 else -8),
                    textcoords="offset points",
                    fontsize=8.5,
                    color=INK,
                    ha="center",
                    va="bottom" if number % 2 else "top",
                )
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.margins(x=0.16, y=0.22)
        bottom.set_xscale("log")
        bottom.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bottom.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        top.set(ylabel="accuracy on test")
        bottom.set(xlabel="milliseconds of one ticket on one thread", ylabel="routed unseen")
    return figure
