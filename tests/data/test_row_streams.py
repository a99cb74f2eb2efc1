"""Three formats in, three formats out, a chunk at a time."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from data.errors import DataError
from data.row_streams import RowSource, file_kind
from data.row_writing import Kind, RowWriter, Value, finish

COLUMNS: dict[str, Kind] = {
    "row": "integer",
    "id": "text",
    "confidence": "number",
    "fallback": "truth",
    "shortlist": "list",
}
ROWS: list[dict[str, Value]] = [
    {"row": 1, "id": 'a "b", c', "confidence": 0.25, "fallback": True, "shortlist": ["x", "y,z"]},
    {"row": 2, "id": "first\nsecond\rthird", "fallback": False, "shortlist": []},
    {"row": 3, "confidence": 1.0},
]
WHOLE = [{name: row.get(name) for name in COLUMNS} for row in ROWS]


def write_table(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        separator = "\t" if path.suffix == ".tsv" else ","
        pd.DataFrame(rows).to_csv(path, index=False, sep=separator)
    return path


def read_back(path: Path) -> list[dict[str, Value]]:
    """What a foreign reader makes of a file written here, in the types of `COLUMNS`."""
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        rows = json.loads(frame.to_json(orient="records"))
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    else:
        with path.open(newline="") as file:
            found = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            rows = [{name: _typed(name, value) for name, value in row.items()} for row in found]
    return list(rows)


def _typed(name: str, value: str) -> Value:
    if value == "":
        return None
    if COLUMNS[name] == "text":
        return value
    parsed: Value = json.loads(value)
    return parsed


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_rows_come_in_order_and_in_chunks(tmp_path: Path, name: str) -> None:
    rows: list[dict[str, object]] = [{"text": f'é "{i}",\t{i}', "id": f"T-{i}"} for i in range(7)]
    source = RowSource(write_table(tmp_path / name, rows))
    chunks = list(source.chunks(3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    found = [row for chunk in chunks for row in chunk]
    assert [dict(row.values) for row in found] == rows
    assert [row.number for row in found] == [1, 2, 3, 4, 5, 6, 7]
    assert source.columns() == ("text", "id")
    assert source.survey().rows == 7


def test_skipped_rows_are_those_at_the_beginning(tmp_path: Path) -> None:
    source = RowSource(write_table(tmp_path / "t.jsonl", [{"text": str(i)} for i in range(5)]))
    assert [row.number for chunk in source.chunks(2, skip=3) for row in chunk] == [4, 5]
    assert list(source.chunks(2, skip=5)) == []


def test_a_fault_takes_its_place_among_the_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,id\na,1\nb\nc,3\n")
    rows = [row for chunk in RowSource(tmp_path / "t.csv").chunks(10) for row in chunk]
    assert [row.fault is None for row in rows] == [True, False, True]
    assert RowSource(tmp_path / "t.csv").survey().rows == 3


def test_the_header_is_known_where_no_row_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbf"text",id\nonly one\n')
    assert RowSource(tmp_path / "t.csv").columns() == ("text", "id")


def test_encoding_and_separator_are_those_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("text;id\nGröße;1\n".encode("latin-1"))
    source = RowSource(tmp_path / "t.csv", "latin-1", ";")
    assert [row.values for row in source.rows()] == [{"text": "Größe", "id": "1"}]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_missing_column_is_told_with_those_present(tmp_path: Path, name: str) -> None:
    source = RowSource(write_table(tmp_path / name, [{"body": "a", "key": "b"}]))
    source.require(["key", "body"])
    with pytest.raises(DataError, match=r"has no column 'text'; it has: body, key"):
        source.require(["key", "text"])


def test_a_column_may_begin_late_in_json_lines(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": "a"}, {"text": "b", "subject": "c"}]
    RowSource(write_table(tmp_path / "t.jsonl", rows)).require(["text", "subject"])


def test_json_lines_none_of_which_can_be_read_lack_no_column(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("broken\n")
    RowSource(tmp_path / "t.jsonl").require(["text"])


@pytest.mark.parametrize(
    ("name", "content", "more", "message"),
    [
        ("t.xls", b"", {}, r"t.xls ends in none of \.csv, \.tsv"),
        ("t.csv", b"text\n", {"encoding": "latin-99"}, "no encoding 'latin-99'"),
        ("t.csv", b"text\n", {"separator": "||"}, "one character, not '||'"),
        ("t.parquet", b"no parquet", {}, "cannot be read as parquet"),
        ("t.csv", b"\xff\xfea\x00b", {"encoding": "utf-16"}, "cannot be read as csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: bytes, more: dict[str, str], message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message.replace("||", r"\|\|")):
        RowSource(tmp_path / name, **more).columns()


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv is not there"):
        RowSource(tmp_path / "gone.csv")


def test_other_bytes_are_another_survey(tmp_path: Path) -> None:
    first = RowSource(write_table(tmp_path / "a.csv", [{"text": "a"}])).survey()
    second = RowSource(write_table(tmp_path / "b.csv", [{"text": "b"}])).survey()
    assert first.rows == second.rows
    assert first.sha256 != second.sha256


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_what_is_written_is_what_other_readers_find(tmp_path: Path, name: str) -> None:
    with RowWriter(tmp_path / "partial", COLUMNS, tmp_path / name) as writer:
        writer.write(ROWS[:2])
        writer.write(ROWS[2:])
    finish(tmp_path / "partial", COLUMNS, tmp_path / name)
    assert read_back(tmp_path / name) == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_file_is_gone_on_with_behind_what_was_safe(tmp_path: Path, name: str) -> None:
    partial, output = tmp_path / "partial", tmp_path / name
    with RowWriter(partial, COLUMNS, output) as writer:
        writer.write(ROWS[:1])
        writer.sync()
        safe = writer.position
        writer.write(ROWS[1:])
    with RowWriter(partial, COLUMNS, output, keep=safe) as writer:
        writer.write(ROWS[1:])
    finish(partial, COLUMNS, output)
    assert read_back(output) == WHOLE


def test_fewer_bytes_than_were_safe_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="partial has 0 bytes, 10 were written"):
        RowWriter(tmp_path / "partial", COLUMNS, tmp_path / "t.csv", keep=10)


def test_a_file_without_rows_still_has_its_columns(tmp_path: Path) -> None:
    for name in ("t.csv", "t.parquet"):
        with RowWriter(tmp_path / "partial", COLUMNS, tmp_path / name):
            pass
        finish(tmp_path / "partial", COLUMNS, tmp_path / name)
        assert RowSource(tmp_path / name).columns() == tuple(COLUMNS)


def test_the_ending_tells_the_format_whatever_its_case() -> None:
    assert file_kind(Path("T.CSV")) == "csv"
    assert file_kind(Path("t.ndjson")) == "jsonl"
