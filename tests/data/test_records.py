from datetime import UTC, date, datetime

import pytest

from data.catalog import Dataset
from data.errors import CatalogError
from data.records import duplicate_ids, read_records
from data.tables import Row

BASE = {"name": "mine", "path": "t.csv", "text": "text", "targets": {"kind": "label"}}


def read(*values, limit=1000, **more):
    dataset = Dataset(**(BASE | more))
    rows = [
        Row("t.csv", number, value) if isinstance(value, dict) else Row("t.csv", number, {}, value)
        for number, value in enumerate(values, 1)
    ]
    return read_records(rows, dataset, list(dataset.targets), limit)


def test_several_text_columns_become_one_text():
    tickets, _ = read(
        {"subject": "Export", "body": " fails ", "label": "bug"},
        {"subject": "", "body": "only a body", "label": "bug"},
        text=["subject", "body"],
    )
    assert [ticket.text for ticket in tickets] == ["Export\nfails", "only a body"]


def test_all_optional_columns_are_read():
    row = {"text": "a", "label": "x", "no": 7, "thread": "t1", "at": "2024-05-01T10:00:00+02:00"}
    row |= {"lang": "de-AT", "part": "Validation", "fix": "restarted"}
    columns = {"id": "no", "group": "thread", "time": "at", "language": "lang", "split": "part"}
    columns["resolution"] = "fix"
    ticket = read(row, **columns)[0][0]
    assert (ticket.id, ticket.group, ticket.split) == ("7", "t1", "valid")
    assert (ticket.created_at, ticket.language) == ("2024-05-01T08:00:00+00:00", "de")
    assert ticket.resolution == "restarted"


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("30/Sep/21 17:20", "%d/%b/%y %H:%M", "2021-09-30T17:20:00+00:00"),
        ("2009-01-05T20:40:27.000+0000", None, "2009-01-05T20:40:27+00:00"),
        (datetime(2024, 1, 2, 3, tzinfo=UTC), None, "2024-01-02T03:00:00+00:00"),
        (date(2024, 1, 2), None, "2024-01-02T00:00:00+00:00"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_times_are_told_in_utc(value, form, expected):
    tickets, _ = read({"text": "a", "label": "x", "at": value}, time="at", time_format=form)
    assert tickets[0].created_at == expected


@pytest.mark.parametrize(
    ("row", "more", "reason", "detail"),
    [
        ({"text": " ", "label": "x"}, {}, "empty_text", ""),
        ({"text": None, "label": "x"}, {}, "empty_text", ""),
        ({"text": "a", "label": ""}, {}, "no_label", "none of kind"),
        ({"text": "a", "label": None}, {}, "no_label", "none of kind"),
        ({"text": "a", "label": "z"}, {"labels": {"kind": ["x"]}}, "unknown_label", "'z' is not"),
        (
            {"text": "caf\udce9", "label": "x"},
            {},
            "broken_encoding",
            "text: bytes that are no utf-8",
        ),
        ({"text": "a", "label": "\ud800"}, {}, "broken_encoding", "label"),
        ({"text": 3, "label": "x"}, {}, "wrong_type", "text: int, expected text"),
        ({"text": "a", "label": [1]}, {}, "wrong_type", "label: list"),
        ({"text": "a", "label": 1.5}, {}, "wrong_type", "label: float"),
        ({"text": "a", "label": "x", "at": "soon"}, {"time": "at"}, "wrong_type", "ISO 8601"),
        ({"text": "a", "label": "x", "at": 3}, {"time": "at"}, "wrong_type", "at: not in the form"),
        ({"text": "a", "label": "x", "s": "else"}, {"split": "s"}, "wrong_type", "s: none of"),
        ({"text": "a" * 1001, "label": "x"}, {}, "over_long", "1,001 characters, allowed 1,000"),
        ("3 fields, expected 2", {}, "malformed_row", "3 fields"),
    ],
)
def test_a_row_that_is_no_ticket_is_rejected_with_its_reason(row, more, reason, detail):
    fine = {"text": "fine", "label": "x", "at": None, "s": None}
    tickets, rejected = read(fine, row, **more)
    assert [ticket.text for ticket in tickets] == ["fine"]
    assert (rejected[0].reason, rejected[0].number) == (reason, 2)
    assert detail in rejected[0].detail


def test_one_missing_label_of_two_is_no_reason_to_reject():
    row = {"text": "a", "label": "x", "prio": ""}
    tickets, _ = read(row, targets={"kind": "label", "prio": "prio"})
    assert tickets[0].labels == {"kind": "x", "prio": None}


def test_whole_numbers_and_truth_values_are_labels():
    tickets, _ = read(*({"text": "a", "label": label} for label in (3, True, 3.0)))
    assert [ticket.labels["kind"] for ticket in tickets] == ["3", "True", "3"]


def test_what_pandas_writes_for_missing_is_missing():
    _, rejected = read({"text": "a", "label": float("nan")}, {"text": float("nan"), "label": "x"})
    assert [row.reason for row in rejected] == ["no_label", "empty_text"]


def test_ids_are_made_from_content_and_always_unique():
    same = {"text": "a", "label": "x"}
    first = [ticket.id for ticket in read(same, {"text": "b", "label": "x"}, same)[0]]
    assert first[2] == f"{first[0]}-2"
    again = [ticket.id for ticket in read({"text": "b", "label": "x"}, same, same)[0]]
    assert sorted(first) == sorted(again)


def test_given_ids_that_repeat_are_told_apart_and_counted():
    rows = [{"text": "a", "label": "x", "no": name} for name in ("7", "7", "7-2", "7", "")]
    tickets, _ = read(*rows, id="no")
    assert [ticket.id for ticket in tickets[:4]] == ["7", "7-3", "7-2", "7-4"]
    assert duplicate_ids(tickets, Dataset(**BASE, id="no")) == 2
    assert duplicate_ids(tickets, Dataset(**BASE)) == 0


def test_a_column_that_no_row_has_is_refused():
    with pytest.raises(CatalogError, match=r"mine: no column 'subject' in t.csv"):
        read({"text": "a", "label": "x"}, text=["subject", "text"])


def test_lists_of_counted_words_are_read_as_words():
    tickets, _ = read({"text": "java:2 c:1 v1:0:3", "label": "x"}, word_counts=True)
    assert tickets[0].text == "java c v1:0"
