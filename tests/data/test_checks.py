import pandas as pd
import pytest

from data.checks import as_records, check_tickets, render_checks

GOOD = {
    "id": [f"t{k}" for k in range(8)],
    "text": [f"a ticket number {k}" for k in range(8)],
    "language": ["en"] * 8,
    "created_at": [None] * 8,
    "group": [f"t{k}" for k in range(8)],
    "split": ["train"] * 4 + ["valid", "calibration", "test", "test"],
    "fold": [0, 1, 0, 1, -1, -1, -1, -1],
    "near_train": [False] * 8,
    "kind": ["a", "b"] * 4,
}


def checked(min_class=1, rejected=None, duplicates=0, copies=None, **columns):
    frame = pd.DataFrame(GOOD | columns)
    classes = {"kind": sorted(set(frame["kind"].dropna()))}
    copies = copies or list(frame["text"])
    return check_tickets(frame, classes, copies, min_class, rejected or {}, duplicates)


def found(checks, name):
    return next(check for check in checks if check.name == name)


def test_a_sound_data_set_passes_every_check():
    assert {check.level for check in checked()} == {"ok"}


@pytest.mark.parametrize(
    ("name", "more", "level", "count", "message"),
    [
        ("schema", {"id": ["same"] * 8}, "error", 1, "ids are not unique"),
        ("schema", {"split": ["elsewhere"] * 8}, "error", 2, "unknown splits; no train tickets"),
        ("schema", {"text": [" "] * 8}, "error", 1, "empty texts"),
        ("classes", {"kind": ["a"] * 8}, "error", 1, "kind: 1 labels in train"),
        ("rejected", {"rejected": {"empty_text": 2}}, "warning", 2, "empty_text 2 (20.0%)"),
        ("duplicate_ids", {"duplicates": 3}, "warning", 3, "3 tickets carry an id"),
        ("rare_labels", {"min_class": 5}, "warning", 2, "fewer than 5 tickets: a, b"),
        (
            "unseen_labels",
            {"kind": ["a", "b", "a", "b", "a", "b", "c", "d"]},
            "warning",
            2,
            "never occur in train: c, d",
        ),
        (
            "label_spelling",
            {"kind": ["Help desk", "help_desk"] * 4},
            "warning",
            2,
            "Help desk, help_desk",
        ),
        ("missing_labels", {"kind": ["a", "b", None, None] * 2}, "warning", 4, "have no kind (50"),
        ("conflicting_labels", {"copies": ["x", "x", *"cdefgh"]}, "warning", 1, "kind: 1 texts"),
        ("copies_in_test", {"copies": ["x", *"bcdefg", "x"]}, "warning", 1, "1 test tickets are"),
        ("near_train", {"near_train": [False] * 7 + [True]}, "warning", 1, "(50.0%)"),
        ("languages", {"language": [None] * 8}, "warning", 8, "unknown 100.0%"),
        ("lengths", {"text": [f"help {k}" for k in range(8)]}, "warning", 8, "8 texts of fewer"),
    ],
)
def test_a_fault_is_found_and_counted(name, more, level, count, message):
    check = found(checked(**more), name)
    assert (check.level, check.count) == (level, count)
    assert message in check.message


def test_long_lists_of_labels_are_cut():
    labels = [f"label{k}" for k in range(8)]
    kinds = {"kind": labels, "split": ["train"] * 8}
    many = check_tickets(
        pd.concat(
            [pd.DataFrame(GOOD | kinds), pd.DataFrame(GOOD | {"kind": [f"x{k}" for k in range(8)]})]
        ),
        {"kind": [*labels, *(f"x{k}" for k in range(8))]},
        [str(k) for k in range(16)],
        5,
        {},
    )
    assert found(many, "rare_labels").message.endswith("and 6 more")


def test_the_report_can_be_read():
    summary = {
        "dataset": "mine",
        "fallback": True,
        "rows": {"read": 9, "accepted": 8, "rejected": 1},
        "rejected": {"empty_text": 1},
        "splits": {"train": 4, "valid": 1, "calibration": 1, "test": 2},
        "published_split": None,
        "published_moved": 3,
        "unused": 1200,
        "near_train": 0,
        "groups": {"count": 8, "largest": 1, "copies": 0, "near_duplicate_pairs": 0},
        "masked": {},
        "languages": {"en": 8},
        "classes": {"kind": {"a|b": {"train": 1000, "valid": 0, "calibration": 0, "test": 0}}},
    }
    checks = checked()
    report = render_checks(checks, summary)
    assert report.startswith("# Checks of mine\n\n9 rows read, 8 accepted, 1 rejected.")
    assert "**The bundled sample stands in" in report
    assert "| a\\|b | 1,000 | 0 | 0 | 0 |" in report
    assert "1,200 train tickets are set aside (prepare.max_train)." in report
    assert "3 tickets of other published parts went to train" in report
    assert "- empty_text: 1" in report
    assert "## Masked\n\nNone." in report
    assert as_records(checks)[0]["name"] == "schema"
