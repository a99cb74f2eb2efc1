"""The page of a period: one HTML file, whose first screen a support manager reads.

It opens offline, in light, dark and on paper, and holds nothing of what customers wrote.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from evaluation.live import Estimate
from evaluation.period_advice import FEW
from evaluation.period_facts import Part
from evaluation.period_report import PeriodReport
from evaluation.plots import ACCENT, FAINT, GREEN, INK, RC, to_svg
from evaluation.templates import open_templates

TEMPLATE = "period_report.html.j2"
SIZE = (5.8, 2.9)
ENOUGH = 20
"""Answers whose interval is drawn whole."""

MOST_NAMES = 8
"""Dates written below a figure."""


def render_page(report: PeriodReport) -> str:
    """The whole page."""
    environment = open_templates()
    environment.filters.update(
        percent=tell_share, span=tell_interval, day=tell_day, hours=tell_hours
    )
    first = report.first
    figures = {}
    if first is not None:
        figures["automation"] = to_svg(
            automation_figure(first.fine),
            "automation",
            "Tickets over time, those routed without a person and those for people",
        )
        if any(part.right for part in first.coarse):
            figures["accuracy"] = to_svg(
                accuracy_figure(first.coarse, report.promised),
                "accuracy",
                "Share of automatic answers that were right, over time, with intervals",
            )
    return environment.get_template(TEMPLATE).render(
        report=report, first=first, figures=figures, title=tell_period(report), few=FEW
    )


def automation_figure(parts: Sequence[Part]) -> Figure:
    """Tickets of each part as a bar, what was routed without a person at its foot."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        places = range(len(parts))
        automatic = [part.automatic for part in parts]
        people = [part.tickets - part.automatic for part in parts]
        axes.bar(places, automatic, 0.8, color=ACCENT, label="without a person")
        axes.bar(places, people, 0.8, bottom=automatic, color=FAINT, label="by people")
        axes.set(ylabel="tickets")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.grid(axis="x", visible=False)
        _name(axes, parts)
        figure.legend(loc="outside upper left", ncols=2, fontsize=9.5)
    return figure


def accuracy_figure(parts: Sequence[Part], promised: float | None) -> Figure:
    """The share of automatic answers that was right in each part, with its interval."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        known = [
            (place, part.right.value or 0.0, part.right)
            for place, part in enumerate(parts)
            if part.right is not None
        ]
        places = [place for place, _, _ in known]
        axes.vlines(
            places,
            [found.low for _, _, found in known],
            [found.high for _, _, found in known],
            color=ACCENT,
            alpha=0.35,
            linewidth=7,
            label="interval",
        )
        axes.plot(
            places,
            [value for _, value, _ in known],
            color=ACCENT,
            marker="o",
            label="right",
        )
        # An interval of a few answers reaches far down, and would press the others together.
        lows = [found.low for *_, found in known if found.rows >= ENOUGH]
        low = min([value for _, value, _ in known] + lows) if lows else 0.0
        if promised is not None:
            axes.axhline(promised, color=GREEN, linestyle="--", linewidth=1.2, label="promised")
            low = min(low, promised)
        for place, _, found in known:
            axes.annotate(
                f"{found.rows:,}", (place, 0.015), xycoords=("data", "axes fraction"),
                ha="center", va="bottom", fontsize=9, color=INK,
            )  # fmt: skip
        axes.set(ylabel="right", xlim=(-0.6, len(parts) - 0.4), ylim=(max(0.0, low - 0.15), 1.01))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        axes.grid(axis="x", visible=False)
        _name(axes, parts)
        figure.legend(loc="outside upper left", ncols=3, fontsize=9.5)
    return figure


def tell_share(share: float | None) -> str:
    """A share as a person reads it."""
    if share is None:
        return "unknown"
    if 0.00005 <= share < 0.001 or 0.999 < share < 0.99995:
        return f"{share:.2%}"
    return f"{share:.1%}".replace(".0%", "%")


def tell_interval(found: Estimate) -> str:
    """Both ends of an interval."""
    return f"{tell_share(found.low)} to {tell_share(found.high)}"


def tell_day(moment: datetime) -> str:
    """A moment in UTC."""
    return f"{moment.astimezone(UTC):%d %b %H:%M}"


def tell_hours(hours: float) -> str:
    """Hours, coarse where there are many."""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}"


def tell_period(report: PeriodReport) -> str:
    """The name of a period: a month, or its first and last day."""
    since, until = report.since.astimezone(UTC), report.until.astimezone(UTC)
    midnight = since.day == until.day == 1 and since.time() == until.time() == datetime.min.time()
    months = (until.year - since.year) * 12 + until.month - since.month
    if midnight and months == 1:
        return f"{since:%B %Y}"
    return f"{since:%d %b %Y %H:%M} to {until:%d %b %Y %H:%M}".replace(" 00:00", "")


def _name(axes: Axes, parts: Sequence[Part]) -> None:
    step = max(1, -(-len(parts) // MOST_NAMES))
    places = range(0, len(parts), step)
    axes.set_xticks(list(places), [f"{parts[place].begin:%d %b}" for place in places])
