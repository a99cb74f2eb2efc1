from pathlib import Path

import pytest

from data.errors import RejectedRowsError
from data.records import Rejected
from pipelines.rejected_rows import (
    REJECTED_CHARACTERS,
    mask_rejected,
    name_reasons,
    require_few_rejected,
)


def test_a_share_of_rejected_rows_is_allowed_and_more_is_not():
    summary = {"rows": {"read": 41, "rejected": 1}, "rejected": {"empty_text": 1}}
    require_few_rejected(summary, 0.03, Path("rejected.csv"))
    with pytest.raises(RejectedRowsError, match=r"1 of 41 rows .*\(empty_text 1\); .*2.0%.*x.csv"):
        require_few_rejected(summary, 0.02, Path("x.csv"))


def test_a_rejected_row_is_shown_masked_in_all_that_the_source_wrote():
    row = Rejected(
        "t.csv", 3, "bob@example.org", "over_long", "by bob@example.org", "bob@example.org"
    )
    assert mask_rejected([row]) == [
        {
            "file": "t.csv",
            "row": 3,
            "id": "[email]",
            "reason": "over_long",
            "detail": "by [email]",
            "text": "[email]",
        }
    ]


def test_a_long_rejected_text_is_cut_after_it_is_masked():
    before = "x" * (REJECTED_CHARACTERS - 3)
    text = f"{before} bob@example.org " + "and more " * 1_000
    [shown] = mask_rejected([Rejected("t.csv", 1, "a", "over_long", "", text)])
    assert shown["text"] == f"{before} [e"


def test_rejected_rows_stand_in_the_order_of_files_and_rows():
    places = [("b.csv", 1), ("a.csv", 12), ("a.csv", 2)]
    shown = mask_rejected([Rejected(*place, "", "empty_text", "") for place in places])
    assert [(row["file"], row["row"]) for row in shown] == sorted(places)


def test_reasons_are_named_from_the_most_frequent_on():
    reasons = ["no_label", "empty_text", "empty_text"]
    rejected = [Rejected("t.csv", n, "", reason, "") for n, reason in enumerate(reasons)]
    assert name_reasons(rejected) == "empty_text 2, no_label 1"
    assert name_reasons([]) == "no rows"
