"""The page of a replay: two curves, the years, the promotions and the controls, self-contained."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from evaluation.plots import ACCENT, FAINT, RC, WARM, to_svg
from evaluation.templates import open_templates

TEMPLATE = "replay_page.html.j2"
SIZE = (10.0, 6.4)
SMOOTHED = 3
"""Months of which a mean is drawn: one of 180 tickets moves by chance."""

SERIES = (("fixed", "fixed: the first model, left alone", WARM, "--"),
          ("loop", "loop: the same, kept up", ACCENT, "-"))  # fmt: skip


def render_page(facts: Mapping[str, Any]) -> str:
    """The whole page from the content of replay.json."""
    environment = open_templates()
    real = facts["real"]
    curves = ""
    if real and real["months"]:
        alt = "Accuracy and automation by month, of the first model and of the loop"
        curves = to_svg(curves_figure(real), "replay", alt)
    return environment.get_template(TEMPLATE).render(facts=facts, curves=curves)


def curves_figure(real: Mapping[str, Any]) -> Figure:
    """Accuracy above, automation below, by month; promotions and alerts are marked."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=SIZE, layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        names = list(dict.fromkeys(month["month"] for month in real["months"]))
        for arm, told, color, dash in SERIES:
            months = [month for month in real["months"] if month["arm"] == arm]
            for axes, figure_of in ((top, "accuracy"), (bottom, "automation")):
                values = moving_share(months, figure_of)
                places = [names.index(month["month"]) for month in months]
                axes.plot(places, values, color=color, linestyle=dash, label=told)
            alarms = [
                names.index(month["month"])
                for month in months
                if month["drift"]["action"] != "nothing"
            ]
            height = 0.02 if arm == "fixed" else 0.07
            top.plot(
                alarms, [height] * len(alarms), color=color, marker="|", linestyle="none",
                markersize=7, transform=top.get_xaxis_transform(),
                label=f"drift flagged, {arm}",
            )  # fmt: skip
        _mark(top, bottom, [names.index(one["month"]) for one in real["promotions"]])
        years = [place for place, name in enumerate(names) if name.endswith("-01")]
        bottom.set_xticks(years, [names[place][:4] for place in years])
        top.set(ylabel="tickets answered rightly")
        bottom.set(ylabel="routed without a person", ylim=(0, None))
        for axes in (top, bottom):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        low = min((m["accuracy"] for m in real["months"] if m["accuracy"] is not None), default=0)
        top.set_ylim(max(0.0, low - 0.15), 1.0)
        figure.legend(*top.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def moving_share(months: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """A share of the tickets of each month and those before it, weighted by their number."""
    values = []
    for place in range(len(months)):
        part = months[max(0, place - SMOOTHED + 1) : place + 1]
        tickets = sum(month["tickets"] for month in part)
        values.append(
            sum((month[name] or 0) * month["tickets"] for month in part) / max(1, tickets)
        )
    return values


def _mark(top: Axes, bottom: Axes, promotions: Sequence[int]) -> None:
    for number, place in enumerate(promotions):
        for axes in (top, bottom):
            axes.axvline(place + 0.5, color=FAINT, linewidth=1, zorder=0)
        if number == 0:
            top.plot([], [], color=FAINT, linewidth=1, label="a new champion answers")
