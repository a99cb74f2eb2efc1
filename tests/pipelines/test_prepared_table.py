import numpy as np
import pandas as pd

from data.catalog import PREPARED_COLUMNS
from data.records import RawTicket
from data.tables import Row
from pipelines.clean_tickets import CleanTicket
from pipelines.feedback_tickets import FeedbackTicket, Learned
from pipelines.prepared_table import count_classes, join_feedback, make_table

TARGETS = ("kind", "urgency")


def make() -> pd.DataFrame:
    """Three tickets, the last of which is a test ticket like the first."""
    clean = [
        CleanTicket(
            RawTicket(
                Row("t.csv", n, {}), f"t{n}", "", {"kind": kind, "urgency": None}, resolution=fix
            ),
            f"text {n}",
            "en",
        )
        for n, (kind, fix) in enumerate([("a", "wrote to jo@example.org"), ("b", None), ("a", "")])
    ]
    splits = ["train", "train", "test"]
    return make_table(clean, TARGETS, ["t0", "t1", "t0"], splits, np.array([0, 1, -1], np.int8))


def test_a_row_holds_what_is_known_of_a_ticket():
    frame = make()
    assert list(frame.columns) == [*PREPARED_COLUMNS, *TARGETS]
    assert frame["id"].tolist() == ["t0", "t1", "t2"]
    assert frame["text"].tolist() == ["text 0", "text 1", "text 2"]
    assert frame["kind"].tolist() == ["a", "b", "a"]
    assert frame["urgency"].isna().all()


def test_a_test_ticket_of_a_group_with_others_is_near_train():
    assert make()["near_train"].tolist() == [False, False, True]


def test_a_resolution_is_masked_and_an_empty_one_is_none():
    assert make()["resolution"].tolist() == ["wrote to [email]", None, None]


def test_feedback_follows_in_train_and_no_column_changes_its_type():
    frame = make()
    said = FeedbackTicket("f1", "text 3", None, "2026-01-02", "f1", 1, {"urgency": "high"})
    joined = join_feedback(frame, Learned([said]), TARGETS)
    assert joined.iloc[:3].equals(frame.assign(urgency=joined["urgency"].iloc[:3]))
    last = joined.iloc[3]
    assert (last["id"], last["split"], last["fold"], last["urgency"]) == ("f1", "train", 1, "high")
    assert last["kind"] is None
    assert joined.dtypes.equals(frame.dtypes)
    assert join_feedback(frame, Learned(), TARGETS) is frame


def test_classes_are_counted_in_each_split():
    counts = count_classes(make(), {"kind": ("a", "b")})
    assert counts["kind"]["a"] == {"train": 1, "valid": 0, "calibration": 0, "test": 1}
    assert counts["kind"]["b"]["train"] == 1
