"""Figures become inline SVG that the page can colour."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from evaluation.assessment import TargetAssessment
from evaluation.plots import VARIABLES, confusion_figure, risk_coverage_figure, to_svg
from evaluation.report import draw_figures


@pytest.fixture(scope="module")
def svg(assessment: TargetAssessment) -> str:
    return to_svg(draw_figures(assessment)["risk_coverage"], "topic-curve", 'a "curve" < & more')


def test_a_figure_is_one_svg_element_with_words_for_those_who_cannot_see_it(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'a "curve" < & more'
    assert "width" not in root.attrib


def test_colours_are_the_pages_own(svg: str) -> None:
    assert "var(--series-1)" in svg
    assert not any(color in svg for color in VARIABLES)


def test_every_id_carries_the_figures_name_and_every_reference_finds_one(svg: str) -> None:
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    assert ids
    assert all(name.startswith("topic-curve-") for name in ids)
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= ids


def test_nothing_outside_is_referred_to(svg: str) -> None:
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]+"', "", svg)
    assert "http" not in without_namespaces


def test_the_same_figure_is_drawn_the_same(assessment: TargetAssessment, svg: str) -> None:
    again = to_svg(draw_figures(assessment)["risk_coverage"], "topic-curve", 'a "curve" < & more')
    assert again == svg


def test_a_curve_without_certificate_has_no_star(assessment: TargetAssessment) -> None:
    from evaluation.curves import risk_coverage_table

    figure = risk_coverage_figure({"e": risk_coverage_table(assessment.ensemble)}, None, 0.9)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["e"]


@pytest.mark.parametrize(("k", "ticks"), [(3, 3), (40, 0)])
def test_a_large_matrix_is_drawn_without_names(k: int, ticks: int) -> None:
    figure = confusion_figure(np.eye(k, dtype=np.int64) * 5, [f"class {i}" for i in range(k)])
    named = [t for t in figure.axes[0].get_yticklabels() if t.get_text().startswith("class")]
    assert len(named) == ticks
