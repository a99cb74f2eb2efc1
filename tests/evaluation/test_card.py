"""The model card says what was measured, what is promised, and what is not."""

from collections.abc import Callable

import pandas as pd

from evaluation.card import render_card
from evaluation.files import Evaluation

MakeEvaluation = Callable[..., Evaluation]


def test_the_card_holds_its_sections_and_figures(make_evaluation: MakeEvaluation) -> None:
    card = render_card(make_evaluation())
    for heading in ("Data", "Figures", "The certificate, and exactly what it means", "Limits"):
        assert f"\n## {heading}\n" in card
    assert "invented-0a1b2c3d" in card
    assert "linear and finetuned" in card
    assert "Always left to a person: wishes & praise." in card
    assert "3 of them are wrong, where 4 were to be expected." in card
    assert "Behavioural tests that failed: another's ticket appended." in card


def test_words_from_the_data_cannot_break_a_table(make_evaluation: MakeEvaluation) -> None:
    card = render_card(make_evaluation())
    assert "Nobody \\| 2026" in card
    assert "<b>" not in card


def test_each_table_has_as_many_cells_in_every_row(make_evaluation: MakeEvaluation) -> None:
    tables = [
        block.splitlines()
        for block in render_card(make_evaluation()).split("\n\n")
        if block.startswith("|")
    ]
    assert len(tables) == 2
    for rows in tables:
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1


def test_a_card_made_on_the_fallback_warns(make_evaluation: MakeEvaluation) -> None:
    summary = dict(make_evaluation().summary)
    card = render_card(make_evaluation(summary=summary | {"fallback": True}))
    assert card.splitlines()[2].startswith("> **Warning: synthetic.**")
    assert "could not be fetched" in card
    assert "Warning: synthetic" not in render_card(make_evaluation())


def test_a_card_made_on_the_sample_warns_too(make_evaluation: MakeEvaluation) -> None:
    summary = dict(make_evaluation().summary) | {"dataset": "sample"}
    assert "**Warning: synthetic.** This is the bundled" in render_card(
        make_evaluation(summary=summary)
    )


def test_the_card_does_without_what_was_not_measured(make_evaluation: MakeEvaluation) -> None:
    summary = dict(make_evaluation().summary) | {"published_split": None}
    card = render_card(
        make_evaluation(
            summary=summary,
            bundle=None,
            behavior=None,
            latency={},
            costs={"seconds": {}, "peak_mib": {}},
            label_errors=pd.DataFrame(columns=["id", "target"]),
        )
    )
    assert "drawn here" in card
    assert "Behavioural" not in card
    assert "One ticket" not in card
