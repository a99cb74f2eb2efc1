"""Feedback joins train and moves nothing that stands there."""

import csv
from pathlib import Path

import pytest

from data.feedback_files import FeedbackFiles
from data.golden import GoldenTicket
from evaluation.trust_params import FeedbackParams
from pipelines.feedback_tickets import (
    SET_ASIDE_COLUMNS,
    Stand,
    find_golden_groups,
    learn,
    write_set_aside,
)
from pipelines.params import NearDuplicateParams, PrepareParams
from tests.feedback import make_row, write_batches
from tests.stores import NOON

TEXTS = {
    "train": "the first printer in the hall prints nothing but empty pages since monday",
    "other": "the second keyboard in the cellar types nothing but the letter e all day",
    "test": "the third monitor in the attic shows nothing but a blue line at noon",
    "unused": "the fourth phone in the garage rings nothing but a sad song at night",
}
STAND = Stand(
    texts=list(TEXTS.values()),
    groups=["g-train", "g-other", "g-test", "g-unused"],
    splits=["train", "train", "test", "unused"],
    folds=[0, 1, -1, -1],
)
KNOWN = {"category": ("network", "printer"), "severity": ("low", "high")}


def learned(folder: Path, rows, golden=(), known=KNOWN, folds: int = 2, proposals=()):
    FeedbackFiles(folder).add({"rows": rows, "proposals": proposals}, "collector", NOON)
    params = PrepareParams(folds=folds)
    return learn(FeedbackFiles(folder), golden, STAND, known, params, FeedbackParams(), 1)


def test_no_feedback_adds_nothing(tmp_path: Path) -> None:
    params = PrepareParams()
    done = learn(FeedbackFiles(tmp_path), [], STAND, KNOWN, params, FeedbackParams(), 1)
    assert done.tickets == []
    assert done.set_aside == []


def test_a_ticket_carries_what_was_said_of_all_its_targets(tmp_path: Path) -> None:
    usual = {"text": "My  mail is bob@example.org", "language": "de"}
    rows = [make_row(1, **usual), make_row(1, target="severity", label="high", key="k2", **usual)]
    (ticket,) = learned(tmp_path, rows).tickets
    assert ticket.id == f"feedback-{1:032x}"
    assert ticket.labels == {"category": "network", "severity": "high"}
    assert "bob" not in ticket.text
    assert (ticket.language, ticket.group, ticket.fold) == ("de", ticket.id, ticket.fold)
    assert ticket.fold in (0, 1)
    assert ticket.created_at == "2026-11-25T12:00:01+00:00"


@pytest.mark.parametrize(
    ("text", "group", "fold"),
    [(TEXTS["train"], "g-train", 0), (TEXTS["other"].upper(), "g-other", 1)],
)
def test_what_resembles_a_train_ticket_stands_beside_it(
    tmp_path: Path, text: str, group: str, fold: int
) -> None:
    (ticket,) = learned(tmp_path, [make_row(1, text=text)]).tickets
    assert (ticket.group, ticket.fold) == (group, fold)


def test_what_resembles_an_unused_ticket_is_on_its_own(tmp_path: Path) -> None:
    (ticket,) = learned(tmp_path, [make_row(1, text=TEXTS["unused"])]).tickets
    assert ticket.group == ticket.id


def test_what_resembles_another_split_or_a_golden_ticket_stays_out(tmp_path: Path) -> None:
    text = "a settled ticket on the invoice of march that nobody wants to pay twice"
    golden = [GoldenTicket(id="g", text=text, labels={"category": "network"})]
    rows = [make_row(1, text=TEXTS["test"] + "!"), make_row(2, text=text), make_row(3)]
    done = learned(tmp_path, rows, golden)
    assert [ticket.labels for ticket in done.tickets] == [{"category": "network"}]
    assert done.facts["set_aside"] == {"golden": 1, "near_test": 1}
    assert {row["reason"] for row in done.set_aside} == {"golden", "near_test"}
    assert all(set(row) == set(SET_ASIDE_COLUMNS) for row in done.set_aside)


def test_what_would_join_two_folds_stays_out(tmp_path: Path) -> None:
    both = Stand([TEXTS["train"]] * 2, ["a", "b"], ["train"] * 2, [0, 1])
    write_batches(tmp_path, [make_row(1, text=TEXTS["train"])])
    params = PrepareParams()
    done = learn(FeedbackFiles(tmp_path), [], both, KNOWN, params, FeedbackParams(), 1)
    assert done.facts["set_aside"] == {"near_two_folds": 1}


def test_near_duplicates_among_feedback_share_a_group(tmp_path: Path) -> None:
    text = " ".join(f"word{n}" for n in range(60))
    rows = [make_row(1, text=text), make_row(2, text=text + " more"), make_row(3)]
    first, second, third = learned(tmp_path, rows).tickets
    assert (first.group, first.fold) == (second.group, second.fold)
    assert third.group != first.group


def test_whoever_else_joins_changes_nobody(tmp_path: Path) -> None:
    rows = [make_row(n) for n in range(12)]
    some = {t.id: t for t in learned(tmp_path / "some", rows[::3]).tickets}
    every = {t.id: t for t in learned(tmp_path / "every", rows).tickets}
    assert some.items() <= every.items()


def test_without_folds_nothing_is_folded(tmp_path: Path) -> None:
    assert learned(tmp_path, [make_row(1)], folds=0).tickets[0].fold == -1


def test_what_no_ticket_can_be_made_of_is_told(tmp_path: Path) -> None:
    rows = [
        make_row(1, label="robot"),
        make_row(2, target="mood", label="angry"),
        make_row(3, text="\u200b\u200b"),
        make_row(4, text="word " * 5_000),
    ]
    done = learned(tmp_path, rows)
    assert done.tickets == []
    assert done.facts["set_aside"] == {"empty_text": 1, "over_long": 1, "unknown_label": 2}


def test_a_proposal_is_learned_once_the_catalog_lists_its_label(tmp_path: Path) -> None:
    proposal = make_row(1, label="robot", reason="unknown")
    assert learned(tmp_path / "a", [], proposals=[proposal]).tickets == []
    known = KNOWN | {"category": (*KNOWN["category"], "robot")}
    (ticket,) = learned(tmp_path / "b", [], known=known, proposals=[proposal]).tickets
    assert ticket.labels == {"category": "robot"}


def test_groups_with_a_ticket_like_a_golden_one_are_found() -> None:
    golden = [GoldenTicket(id="g", text=TEXTS["train"].upper(), labels={"category": "printer"})]
    near = NearDuplicateParams()
    assert find_golden_groups(golden, STAND, near) == {"g-train"}
    assert find_golden_groups([], STAND, near) == set()


def test_what_is_set_aside_is_written_without_a_word_of_the_ticket(tmp_path: Path) -> None:
    done = learned(tmp_path / "files", [make_row(1, label="robot")])
    path = tmp_path / "made" / "aside.csv"
    write_set_aside(path, done.set_aside)
    (row,) = csv.DictReader(path.open(encoding="utf-8"))
    assert (row["reason"], row["author"]) == ("unknown_label", "anna")
    assert "invented" not in path.read_text()
