import hashlib

import pytest

from data.catalog import Dataset
from data.errors import DataError
from data.published import published_parts
from data.tables import Row

BASE = {"name": "mine", "path": ["a.csv", "b.csv"], "text": "text", "targets": {"kind": "label"}}
ROWS = [
    Row("a.csv", 1, {"text": "one  two", "label": "x"}),
    Row("a.csv", 2, {"text": "three", "label": "y"}),
    Row("b.csv", 1, {"text": "four", "label": "x"}),
    Row("b.csv", 2, {}, "malformed"),
]


def parts(folder, **split):
    return published_parts(ROWS, Dataset(**BASE, published={"p": split}), "p", folder)


def test_rows_are_found_by_the_values_of_their_columns(tmp_path):
    (tmp_path / "test.csv").write_text("text,label\nthree,y\nfour,other\n")
    by_text = {"file": "test.csv", "columns": "text", "rows": 2}
    assert parts(tmp_path, test=by_text) == [None, "test", "test", None]
    by_both = {"file": "test.csv", "columns": ["text", "label"]}
    assert parts(tmp_path, test=by_both) == [None, "test", None, None]


def test_rows_are_found_by_the_digest_of_their_columns(tmp_path):
    digest = hashlib.sha256(b"one two|x").hexdigest()
    (tmp_path / "ids.csv").write_text(f"id\n{digest}\n")
    part = {"file": "ids.csv", "columns": "id", "sha256_of": ["text", "label"], "rows": 1}
    assert parts(tmp_path, calibration=part) == ["calibration", None, None, None]


def test_a_whole_file_can_be_a_part_and_the_unseen_part_wins(tmp_path):
    split = {"valid": {"file": "b.csv"}, "test": {"file": "b.csv"}, "train": {"file": "a.csv"}}
    assert parts(tmp_path, **split) == ["train", "train", "test", "test"]


def test_a_part_with_another_number_of_rows_is_refused(tmp_path):
    with pytest.raises(DataError, match="the test part of p has 2 rows, expected 3"):
        parts(tmp_path, test={"file": "b.csv", "rows": 3})


def test_with_a_split_column_each_ticket_carries_its_own(tmp_path):
    dataset = Dataset(**BASE, split="part")
    assert published_parts(ROWS, dataset, "column", tmp_path) == [None] * 4
