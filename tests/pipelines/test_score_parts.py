"""A folder of parts: each is written once and whole, and what is there is not written again."""

import json
import logging
from pathlib import Path

import pandas as pd
import pytest

from data.errors import DataError
from data.row_streams import RowSource
from pipelines.score_parts import (
    BATCHES,
    MADE_OF,
    SUCCESS,
    Parts,
    PartWriter,
    check_output,
    complete,
    count_rows,
    prepare,
)
from pipelines.scored_rows import TicketColumns, output_columns
from pipelines.scoring import score
from tests.pipelines.test_score import Rules, write_lines

COLUMNS = TicketColumns(id="id")
MADE = {"input": "a", "bundle": "b"}
ROWS = 2 * BATCHES * 2 + 5


@pytest.fixture
def source(tmp_path: Path) -> RowSource:
    rows = [{"id": f"T-{i}", "text": f"printer {i}" if i % 7 else ""} for i in range(ROWS)]
    return write_lines(tmp_path / "in.jsonl", rows)


def parts_of(source: RowSource, output: Path, batch: int = 2) -> Parts:
    return Parts(source, output, COLUMNS, output_columns(["category"]), batch)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_parts_hold_what_one_file_would_in_order(
    source: RowSource, tmp_path: Path, ending: str
) -> None:
    whole = tmp_path / f"whole.{ending}"
    done = score(source, whole, Rules(), COLUMNS, batch=2)
    parts = parts_of(source, tmp_path / f"out.{ending}")
    missing = prepare(parts, MADE, ROWS)
    assert missing == [0, 1, 2]
    writer = PartWriter(parts, Rules().predict)
    told = [writer.write(number) for number in missing]
    complete(parts, ROWS)
    assert told == [(32, 5), (32, 5), (5, 0)]
    assert sum(errors for _, errors in told) == done.errors
    assert [count_rows(parts.path(number)) for number in missing] == told
    found = [row.values for number in missing for row in RowSource(parts.path(number)).rows()]
    assert found == [row.values for row in RowSource(whole).rows()]
    names = {path.name for path in parts.output.iterdir()}
    assert names == {MADE_OF, SUCCESS, *(f"part-00000{n}.{ending}" for n in range(3))}


def test_parquet_parts_are_read_as_one_table(source: RowSource, tmp_path: Path) -> None:
    parts = parts_of(source, tmp_path / "out.parquet")
    writer = PartWriter(parts, Rules().predict)
    for number in prepare(parts, MADE, ROWS):
        writer.write(number)
    complete(parts, ROWS)
    assert pd.read_parquet(parts.output)["row"].tolist() == list(range(1, ROWS + 1))


def test_parts_may_be_written_in_any_order_and_twice(source: RowSource, tmp_path: Path) -> None:
    parts = parts_of(source, tmp_path / "out.jsonl")
    prepare(parts, MADE, ROWS)
    writer = PartWriter(parts, Rules().predict)
    assert [writer.write(number)[0] for number in (2, 0, 1, 1)] == [5, 32, 32, 32]
    first = [json.loads(parts.path(n).read_text().splitlines()[0])["row"] for n in range(3)]
    assert first == [1, 33, 65]


def test_only_missing_parts_are_left_to_do(source: RowSource, tmp_path: Path) -> None:
    parts = parts_of(source, tmp_path / "out.csv")
    prepare(parts, MADE, ROWS)
    PartWriter(parts, Rules().predict).write(1)
    (parts.output / ".part-000000.csv.0a1b2c3d4e5f.partial").write_text("half")
    assert prepare(parts, MADE, ROWS) == [0, 2]
    assert not list(parts.output.glob(".part-*"))
    with pytest.raises(DataError, match=r"2 parts are not in .*part-000000\.csv"):
        complete(parts, ROWS)


def test_a_part_that_fails_leaves_nothing(source: RowSource, tmp_path: Path) -> None:
    parts = parts_of(source, tmp_path / "out.jsonl")
    prepare(parts, MADE, ROWS)
    rules = Rules()
    rules.stops_at = 4
    writer = PartWriter(parts, rules.predict)
    with pytest.raises(KeyboardInterrupt):
        writer.write(0)
    assert [path.name for path in parts.output.iterdir()] == [MADE_OF]
    rules.stops_at = None
    assert [writer.write(number)[0] for number in (1, 0)] == [32, 32]
    assert json.loads(parts.path(1).read_text().splitlines()[0])["row"] == 33


@pytest.mark.parametrize("told", [json.dumps({**MADE, "bundle": "c"}), "{", "[]"])
def test_parts_of_something_else_are_made_anew(
    source: RowSource, tmp_path: Path, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    parts = parts_of(source, tmp_path / "out.csv")
    writer = PartWriter(parts, Rules().predict)
    for number in prepare(parts, MADE, ROWS):
        writer.write(number)
    complete(parts, ROWS)
    (parts.output / MADE_OF).write_text(told)
    with caplog.at_level(logging.WARNING):
        assert prepare(parts, MADE, ROWS) == [0, 1, 2]
    assert "all is scored anew" in caplog.text
    assert [path.name for path in parts.output.iterdir()] == [MADE_OF]


def test_no_row_makes_one_empty_part(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text\n")
    parts = parts_of(RowSource(tmp_path / "in.csv"), tmp_path / "out.csv")
    assert prepare(parts, MADE, 0) == [0]
    assert PartWriter(parts, Rules().predict).write(0) == (0, 0)
    assert parts.path(0).read_text().startswith("row,id,category,")


def test_what_is_no_folder_of_parts_is_left_alone(source: RowSource, tmp_path: Path) -> None:
    file, folder = tmp_path / "file.csv", tmp_path / "folder.csv"
    file.write_text("mine")
    folder.mkdir()
    (folder / "mine.csv").write_text("mine")
    with pytest.raises(DataError, match=r"file\.csv is a file"):
        prepare(parts_of(source, file), MADE, ROWS)
    with pytest.raises(DataError, match=r"folder\.csv holds something else"):
        prepare(parts_of(source, folder), MADE, ROWS)
    with pytest.raises(DataError, match=r"in\.jsonl is the input"):
        check_output(source.path, source.path)
    with pytest.raises(DataError, match="ends in none of"):
        check_output(source.path, tmp_path / "out")
    assert file.read_text() == (folder / "mine.csv").read_text() == "mine"
