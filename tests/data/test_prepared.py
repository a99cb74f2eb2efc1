import json

import pandas as pd
import pytest

from data.errors import DataError
from data.prepared import (
    Prepared,
    fingerprint,
    read_prepared,
    write_prepared,
    write_rejected,
)


@pytest.fixture
def prepared():
    frame = pd.DataFrame(
        {
            "id": ["1", "2", "3"],
            "text": ["eins", "zwei", "drei"],
            "language": ["de", None, "de"],
            "created_at": [None, None, None],
            "group": ["1", "1", "3"],
            "split": ["train", "train", "test"],
            "fold": pd.Series([0, 1, -1], dtype="int8"),
            "near_train": [False, False, False],
            "resolution": ["aus und an", None, None],
            "kind": ["b", None, "a"],
        }
    )
    return Prepared(frame, {"kind": ("a", "b")}, {"dataset": "mine"})


def test_what_is_written_is_read_again(prepared, tmp_path):
    write_prepared(tmp_path / "out", prepared, "# report\n")
    read = read_prepared(tmp_path / "out")
    assert len(read) == 3
    assert read.targets == {"kind": ("a", "b")}
    assert read.texts() == ["eins", "zwei", "drei"]
    assert read.labels("kind") == ["b", None, "a"]
    assert read.label_index("kind").tolist() == [1, -1, 0]
    assert read.rows("train").tolist() == [0, 1]
    assert read.rows("train", "test").tolist() == [0, 1, 2]
    assert read.summary == {"dataset": "mine", "fingerprint": fingerprint(prepared.frame)}
    assert read.frame["fold"].dtype == "int8"
    assert (tmp_path / "out/checks.md").read_text() == "# report\n"


def test_an_unknown_split_is_refused(prepared):
    with pytest.raises(ValueError, match=r"no split 'dev'; known: train, valid, calibration, test"):
        prepared.rows("dev")


def test_writing_twice_writes_the_same_bytes(prepared, tmp_path):
    for folder in ("a", "b"):
        write_prepared(tmp_path / folder, prepared, "")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("column", ["text", "kind", "split", "fold"])
def test_the_fingerprint_changes_with_every_value(prepared, column):
    changed = prepared.frame.copy()
    changed.loc[0, column] = 1 if column == "fold" else "other"
    assert fingerprint(changed) != fingerprint(prepared.frame)


def test_a_folder_that_was_not_prepared_says_what_to_run(tmp_path):
    with pytest.raises(DataError, match=r"pipelines\.prepare"):
        read_prepared(tmp_path)


def test_files_that_do_not_belong_together_are_refused(prepared, tmp_path):
    write_prepared(tmp_path, prepared, "")
    (tmp_path / "targets.json").write_text(json.dumps({"other": ["a"]}))
    with pytest.raises(DataError, match=r"expected .*'other'"):
        read_prepared(tmp_path)
    write_prepared(tmp_path, prepared, "")
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(DataError, match=r"tickets.parquet is not the table that summary.json"):
        read_prepared(tmp_path)


def test_rejected_rows_have_a_header_even_if_there_are_none(tmp_path):
    write_rejected(tmp_path, [])
    assert (tmp_path / "rejected.csv").read_text() == "file,row,id,reason,detail,text\n"
