import json

import pandas as pd
import pytest

from data.catalog import Dataset
from data.errors import CatalogError, DataError
from data.tables import Row, read_column_values, read_rows

BASE = {"name": "mine", "path": "t.csv", "text": "text", "targets": {"kind": "label"}}


def rows_of(tmp_path, name, content, **more):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows(path, Dataset(**(BASE | more))))


def test_csv_with_quotes_newlines_and_the_mark_of_spreadsheets(tmp_path):
    rows = rows_of(tmp_path, "t.csv", '\ufefftext,label\n"a, b\nc ""d""",x\n\nlast,NA\n')
    assert rows == [
        Row("t.csv", 1, {"text": 'a, b\nc "d"', "label": "x"}),
        Row("t.csv", 2, {"text": "last", "label": "NA"}),
    ]


def test_separators_encodings_and_headers_are_those_of_the_entry(tmp_path):
    latin = "Größe;x\n".encode("latin-1")
    more = {"separator": ";", "encoding": "latin-1", "header": ["text", "label"]}
    assert rows_of(tmp_path, "t.csv", latin, **more)[0].values == {"text": "Größe", "label": "x"}
    assert rows_of(tmp_path, "t.tsv", "text\tlabel\na,b\tx\n")[0].values["text"] == "a,b"


def test_a_field_longer_than_the_limit_of_the_csv_module_is_read(tmp_path):
    rows = rows_of(tmp_path, "t.csv", f"text,label\n{'x' * 200_000},a\nshort,b\n")
    assert [len(row.values["text"]) for row in rows] == [200_000, 5]


def test_a_ragged_row_is_a_fault_and_not_the_end(tmp_path):
    rows = rows_of(tmp_path, "t.csv", 'text,label\na,b,c\n"open,x\ny,z\n')
    assert [row.fault for row in rows] == [
        "3 fields, expected 2; lines 2 to 2",
        "1 fields, expected 2; lines 3 to 4",
    ]


def test_bytes_that_are_no_text_are_carried_as_surrogates(tmp_path):
    rows = rows_of(tmp_path, "t.csv", b"text,label\ncaf\xe9,x\nfine,y\n")
    assert rows[0].values["text"] == "caf\udce9"
    assert rows[1].values["text"] == "fine"


def test_json_lines_with_faults(tmp_path):
    lines = [json.dumps({"text": "é\u2028x", "label": 3}), "", "{broken", "[1]", "[" * 100_000]
    rows = rows_of(tmp_path, "t.jsonl", "\n".join(lines))
    assert rows[0] == Row("t.jsonl", 1, {"text": "é\u2028x", "label": 3})
    assert [(row.number, row.fault) for row in rows[1:]] == [
        (2, "not JSON"),
        (3, "not a JSON object"),
        (4, "not JSON"),
    ]


def test_parquet(tmp_path):
    frame = pd.DataFrame({"text": ["a", None], "label": [1, 2]})
    frame.to_parquet(tmp_path / "t.parquet")
    rows = list(read_rows(tmp_path / "t.parquet", Dataset(**BASE)))
    assert [row.values for row in rows] == [{"text": "a", "label": 1}, {"text": None, "label": 2}]


def test_the_format_can_be_told_where_the_suffix_tells_none(tmp_path):
    with pytest.raises(CatalogError, match=r"mine: t.dat has none of the suffixes"):
        rows_of(tmp_path, "t.dat", "text,label\na,b\n")
    assert len(rows_of(tmp_path, "t.dat", "text,label\na,b\n", format="csv")) == 1


@pytest.mark.parametrize(
    ("name", "content", "more", "message"),
    [
        ("t.csv", "", {}, "t.csv is empty"),
        ("t.csv", "text,text\na,b\n", {}, "two columns called 'text'"),
        ("t.csv", b"\xff\xfea\x00b", {"encoding": "utf-16"}, "cannot be read as csv in utf-16"),
        ("t.parquet", b"no parquet", {}, "cannot be read as parquet"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_refused(tmp_path, name, content, more, message):
    with pytest.raises(DataError, match=message):
        rows_of(tmp_path, name, content, **more)


def test_columns_of_an_accompanying_file(tmp_path):
    (tmp_path / "ids.csv").write_text("id,part\n1,a\n2,b\n")
    assert list(read_column_values(tmp_path / "ids.csv", Dataset(**BASE), ["part", "id"])) == [
        ("a", "1"),
        ("b", "2"),
    ]
    with pytest.raises(DataError, match="record 1 has no column 'x'"):
        list(read_column_values(tmp_path / "ids.csv", Dataset(**BASE), ["x"]))
