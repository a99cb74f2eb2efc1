"""A proposed label is tried before it enters."""

from pathlib import Path

import pandas as pd
import pytest

from data.errors import DataError
from data.feedback_files import FeedbackFiles
from data.feedback_rows import Scope
from data.prepared import Prepared
from pipelines import new_labels
from pipelines.new_labels import find_proposals, render_proposals, try_label
from pipelines.params import Params
from tests.feedback import make_row
from tests.stores import NOON

PARAMS = Params.model_validate({"dataset": "sample", "seed": 1, "linear": {"min_df": 1}})
WORDS = {
    "network": "the wireless network drops every connection near the window number",
    "printer": "the printer leaves grey stripes on every sheet of paper number",
    "robot": "the cleaning robot is stuck under the desk again in room number",
}


@pytest.fixture
def prepared() -> Prepared:
    labels = ["network", "printer"] * 60
    frame = pd.DataFrame(
        {
            "text": [f"{WORDS[label]} {n}" for n, label in enumerate(labels)],
            "split": ["train"] * 118 + ["test"] * 2,
            "category": [*labels[:119], None],
        }
    )
    return Prepared(frame, {"category": ("network", "printer")}, {})


def propose(n: int, label: str = "robot") -> list:
    return [
        make_row(k, label=label, author=f"a{k % 3}", text=f"{WORDS['robot']} {k}", reason="new")
        for k in range(n)
    ]


def test_a_label_that_is_easily_told_apart_would_be_certified(prepared: Prepared) -> None:
    trial = try_label("category", "robot", propose(200), prepared, PARAMS, 1_000)
    assert (trial.tickets, trial.authors, trial.old_tickets) == (200, 3, 118)
    assert (trial.nearest, trial.nearest_share) == ("network", 1)
    assert trial.recall == trial.precision == 1
    assert trial.certified
    assert trial.nearest_recall_before == trial.nearest_recall_after == 1


def test_a_label_that_is_another_name_for_an_old_class_shows_itself(prepared: Prepared) -> None:
    rows = [
        make_row(n, label="lan", text=f"{WORDS['network']} {500 + n}", predicted="network")
        for n in range(200)
    ]
    trial = try_label("category", "lan", rows, prepared, PARAMS, 1_000)
    assert trial.certified is False
    assert trial.nearest_recall_after < trial.nearest_recall_before


def test_with_few_tickets_nothing_is_tried(prepared: Prepared) -> None:
    trial = try_label("category", "robot", propose(3), prepared, PARAMS, 1_000)
    assert trial.certified is None
    assert "fewer than 10" in trial.why
    with pytest.raises(DataError, match="no target 'mood'"):
        try_label("mood", "robot", propose(3), prepared, PARAMS, 1_000)


def test_no_more_old_tickets_are_used_than_asked_for(prepared: Prepared) -> None:
    assert try_label("category", "robot", propose(20), prepared, PARAMS, 50).old_tickets == 50


def test_proposals_are_one_per_text_and_not_of_what_is_held_back(tmp_path: Path) -> None:
    files = FeedbackFiles(tmp_path)
    rows = propose(4)
    copy = make_row(9, label="robot", text=rows[0].ticket.text.upper(), reason="new")
    first = files.add({"proposals": [*rows, copy]}, "collector", NOON).name
    second = files.add({"proposals": propose(2, "drone")}, "collector", NOON).name
    assert {name: len(kept) for name, kept in find_proposals(files).items()} == {
        ("category", "drone"): 2,
        ("category", "robot"): 4,
    }
    files.quarantine(first, Scope(), ["odd"], "carol", NOON)
    files.revoke(second, "a test", "carol", NOON)
    assert find_proposals(files) == {}


def test_all_proposals_are_told_with_how_a_label_enters(
    tmp_path: Path, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.walk import set_out

    set_out(tmp_path, monkeypatch, dataset="sample")
    monkeypatch.setattr(new_labels, "read_prepared", lambda _: prepared)
    files = FeedbackFiles()
    proposals = [*propose(60), *propose(2, "drone")]
    files.add({"proposals": [r.model_copy(update={"key": str(n)}) for n, r in
                             enumerate(proposals)]}, "collector", NOON)  # fmt: skip
    told = render_proposals(files, 1_000)
    assert "category: robot\n" in told
    assert "fewer than 10 tickets" in told
    assert "recall of network: 100.0% without it" in told
    assert "data/catalog.yaml" in told
