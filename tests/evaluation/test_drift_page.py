"""The page says first what is to be done, opens offline and holds no text of a ticket."""

import re
from dataclasses import replace

import numpy as np
import pytest

from evaluation.drift import find_drift
from evaluation.drift_page import HEADLINES, as_frame, render_page, render_summary
from evaluation.drift_report import DriftReport, WindowFacts
from evaluation.drift_window import Window
from tests.windows import draw_window


@pytest.fixture(scope="module")
def windows() -> tuple[Window, Window]:
    random = np.random.default_rng(0)
    then = draw_window(random, 300, name="before <b>")
    return then, draw_window(random, 300, name="now", moved=4.0, audited=100)


@pytest.fixture(scope="module")
def report(windows: tuple[Window, Window]) -> DriftReport:
    return find_drift(*windows)


def test_the_page_holds_the_verdict_and_every_column(
    report: DriftReport, windows: tuple[Window, Window]
) -> None:
    page = render_page(report, *windows)
    assert page.index(HEADLINES[report.action][0]) < page.index("root_metric")
    assert "kind: confidence" in page
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(http[^"]*)"', page)
    assert loaded == []


def test_the_summary_tells_what_was_found_and_hides_no_markup(report: DriftReport) -> None:
    summary = render_summary(report)
    assert "before &lt;b&gt;" in summary
    assert "embedding.classifier" in summary
    assert "hologram" in summary  # a word behind the shift, of many customers
    assert report.to_label[0] in summary
    assert "Classes behind it" in summary
    assert "Estimates without labels" in summary


def test_new_shares_of_classes_have_a_table() -> None:
    random = np.random.default_rng(1)
    report = find_drift(
        draw_window(random, 800), draw_window(random, 800, priors=(0.1, 0.3, 0.6), audited=0)
    )
    assert "Estimated shares of kind" in render_summary(report)
    assert "not known" in render_summary(report)


def test_a_window_too_small_to_judge_has_a_page_without_plots(
    windows: tuple[Window, Window],
) -> None:
    few = windows[1].take(np.arange(5))
    facts = WindowFacts(name="few", tickets=5, since="2026-11-01", until="2026-11-02")
    report = find_drift(windows[0], replace(few, facts=facts))
    page = render_page(report, windows[0], few)
    assert "Too few tickets to judge" in page
    assert "5 tickets, from 2026-11-01 to 2026-11-02" in page
    assert "root_metric" not in page


def test_the_table_of_a_window_holds_numbers_and_answers() -> None:
    window = draw_window(np.random.default_rng(2), 30)
    frame = as_frame(window, ("kind",))
    assert list(frame) == [
        "language",
        "characters",
        "kind: answer",
        "kind: confidence",
        "kind: routed",
    ]
    known = replace(
        window,
        unknown_words=np.zeros(30),
        targets={"kind": replace(window.targets["kind"], automatic=None)},
    )
    assert list(as_frame(known, ("kind",)))[2:] == [
        "unknown words",
        "kind: answer",
        "kind: confidence",
    ]
