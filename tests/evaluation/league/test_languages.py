"""The comparison of detectors of languages."""

import json
from pathlib import Path

import pytest

from data.language import LANGDETECT, LINGUA
from evaluation.league.language_detectors import DETECTORS, BareLingua, measure_costs
from evaluation.league.languages import (
    ASKED,
    CLOSE,
    FOREIGN,
    SHORT,
    LanguageDetectors,
    measure_rows,
    measure_taken,
    read_short,
)
from evaluation.league.xsid import DATASET


class Constant:
    def __init__(self, answer: str | None) -> None:
        self.answer = answer

    def detect(self, text: str) -> str | None:
        return self.answer


ROWS = [("a", "de"), ("b", "de"), ("c", "en"), ("d", "en")]


def test_figures_count_what_is_right_and_what_is_not_answered() -> None:
    accuracy, macro, none, _ = measure_rows("split", "constant", Constant("de"), ROWS)
    assert accuracy.value == 0.5
    assert macro.value == pytest.approx((2 / 3 + 0) / 2)
    assert none.value == 0
    assert measure_rows("split", "constant", Constant(None), ROWS)[2].value == 1


def test_only_languages_asked_for_are_taken() -> None:
    assert measure_taken("split", "constant", Constant("de"), ROWS).value == 1
    assert measure_taken("split", "constant", Constant("nl"), ROWS).value == 0


def test_long_tickets_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    rows = [{"text": "x" * n, "language": "de"} for n in (SHORT - 1, SHORT)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert read_short(path) == [("x" * (SHORT - 1), "de")]


def test_bare_lingua_answers_like_our_detector() -> None:
    lingua = BareLingua(("no", "en"), low_accuracy=True)
    assert lingua.detect("Jeg får ikke logget meg inn på kontoen min") == "no"
    assert lingua.detect("I cannot log in to my account any more") == "en"
    assert lingua.detect("ok") is None
    assert lingua.detect("日本語日本語日本語日本語") is None


def test_lingua_refuses_a_language_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="does not know one of en, xx"):
        BareLingua(("en", "xx"))


def test_languages_looked_at_closely_are_some_of_the_foreign_ones() -> None:
    assert set(CLOSE) < set(FOREIGN)


def test_what_a_detector_takes_is_measured_in_a_process_of_its_own() -> None:
    costs = measure_costs([LANGDETECT], ("en", "de"))
    assert costs[LANGDETECT].mib > 1
    assert costs[LANGDETECT].seconds > 0


def test_a_small_run_gives_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (*ASKED, *FOREIGN):
        text = f"# text = A sentence {code}\n# intent = a\n1\tA\ta\tO\n\n" * 3
        (tmp_path / f"{code}.valid.conll").write_text(text, encoding="utf-8")
    row = json.dumps({"text": "The printer is broken", "language": "en"})
    (tmp_path / "tickets.jsonl").write_text(row, encoding="utf-8")
    for name in set(DETECTORS) - {LANGDETECT}:
        monkeypatch.setitem(DETECTORS, name, lambda targets: Constant("en"))
    figures = LanguageDetectors().run({DATASET: tmp_path, "sample": tmp_path}, small=True)
    metrics = {figure.metric for figure in figures}
    assert {"accuracy, lingua", "taken_for_asked, langdetect", "shared_texts"} <= metrics
    splits = {figure.split for figure in figures if figure.metric == f"taken_for_asked, {LINGUA}"}
    assert splits == {
        f"{DATASET}, not asked for",
        f"{DATASET}, da, id, nl, no, tr",
        f"{DATASET}, ar, ja, lt, zh",
    }
