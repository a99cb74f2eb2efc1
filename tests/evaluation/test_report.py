"""The report opens offline, says what matters first, and escapes what customers wrote."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pandas as pd
import pytest

from evaluation.assessment import TargetAssessment
from evaluation.files import Evaluation
from evaluation.report import excerpt, find_confusions, find_mistakes, render_report

MakeEvaluation = Callable[..., Evaluation]
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Structure(HTMLParser):
    """Open tags, ids and the problems of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.problems.append(tag)


@pytest.fixture(scope="module")
def html(make_evaluation: MakeEvaluation) -> str:
    return render_report(make_evaluation())


@pytest.fixture(scope="module")
def structure(html: str) -> Structure:
    parsed = Structure()
    parsed.feed(html)
    return parsed


def test_every_tag_is_closed_and_every_id_is_unique(structure: Structure) -> None:
    assert structure.problems == []
    assert structure.stack == []
    assert len(structure.ids) == len(set(structure.ids))


def test_every_link_leads_to_a_place_in_the_page(structure: Structure) -> None:
    assert structure.links
    assert {link.removeprefix("#") for link in structure.links} <= set(structure.ids)


def test_nothing_is_loaded_from_anywhere(html: str, structure: Structure) -> None:
    assert not {"script", "link", "img", "iframe", "object"} & set(structure.tags)
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]+"', "", html)
    assert not re.search(r"(?:src|href)=\"(?!#)|https?://|@import|url\((?!#)", without_namespaces)


def test_what_customers_wrote_is_escaped(html: str) -> None:
    assert "<script>" not in html
    assert "&lt;script&gt;alert(&#39;stolen&#39;)" in html
    assert "<b>no markup</b>" not in html


def test_the_check_on_held_out_tickets_stands_beside_the_certificate(html: str) -> None:
    assert "3 of them are wrong, where 4 were to be expected." in html


def test_the_first_screen_speaks_plainly(html: str, assessment: TargetAssessment) -> None:
    first = html[html.index("<main") : html.index('id="topic"')]
    assert "tickets can be routed without a person." in first
    assert "go to the right place." in first
    assert "wishes &amp; praise" in first  # the class without a certificate


def test_classes_without_certificate_are_told_with_the_reason(html: str) -> None:
    assert "12 of 15 right: too few" in html
    assert "not certified" in html


def test_a_fallback_is_told_first_and_loudly(make_evaluation: MakeEvaluation, html: str) -> None:
    evaluation = make_evaluation()
    summary = dict(evaluation.summary) | {"fallback": True}
    alarmed = render_report(make_evaluation(summary=summary))
    assert 'role="alert"' in alarmed[: alarmed.index("<header")]
    assert "synthetic" in alarmed
    assert 'role="alert"' not in html


def test_the_sample_is_called_synthetic_even_where_it_was_asked_for(
    make_evaluation: MakeEvaluation,
) -> None:
    summary = dict(make_evaluation().summary) | {"dataset": "sample"}
    told = render_report(make_evaluation(summary=summary))
    assert "written for this project" in told
    assert "could not be fetched" not in told


def test_every_part_is_told(html: str) -> None:
    for words in (
        "Their split",
        "some/repository",
        "computed by hand",
        "CC0-1.0",
        "empty text",
        "near-duplicates",
        "t-900",
        "seed: 7",
        "nothing to try",
        "✗ failed",
        "invented-0a1b2c3d",
        "512",
    ):
        assert words in html, words


def test_every_table_has_column_headers(html: str) -> None:
    tables = re.findall(r"<table.*?</table>", html, flags=re.DOTALL)
    assert len(tables) >= 8
    assert all('scope="col"' in table for table in tables)


def test_several_targets_are_told_and_missing_parts_left_out(
    make_evaluation: MakeEvaluation, make_assessment: Callable[..., TargetAssessment]
) -> None:
    nothing = make_assessment("urgency", (float("inf"),) * 3, n=80)
    plain = make_assessment("mood", (0.6, 0.6, 0.6), n=80)
    html = render_report(
        make_evaluation(
            targets={"urgency": nothing, "mood": plain},
            league=(),
            behavior=None,
            latency={},
            bundle=None,
            costs={"seconds": {}, "peak_mib": {}},
            params={},
            label_errors=pd.DataFrame(columns=["id", "target", "score"]),
        )
    )
    assert "No ticket is routed without a person yet." in html
    assert 'id="league"' not in html
    assert "No stage left a record." in html
    assert html.count("For the one who checks") == 2


def test_a_taxonomy_too_large_for_a_matrix_tells_its_commonest_confusions(
    make_evaluation: MakeEvaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.report.LARGEST_MATRIX", 2)
    html = render_report(make_evaluation())
    assert 'class="matrix"' not in html
    assert "Commonest:" in html


def test_the_most_confident_mistakes_stand_first(assessment: TargetAssessment) -> None:
    mistakes = find_mistakes(assessment)
    confidences = [mistake["confidence"] for mistake in mistakes]
    assert confidences == sorted(confidences, reverse=True)
    assert all(mistake["given"] != mistake["answered"] for mistake in mistakes)


def test_confusions_are_counted_off_the_diagonal(assessment: TargetAssessment) -> None:
    found = find_confusions(assessment, most=99)
    assert sum(pair["tickets"] for pair in found) == int((~assessment.ensemble.correct).sum())


def test_an_excerpt_is_one_line_cut_at_a_word() -> None:
    assert excerpt("one\n two") == "one two"
    assert excerpt("alpha beta gamma", 12) == "alpha beta …"
