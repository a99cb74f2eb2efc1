"""Rows appended to a file that can be gone on with, and made whole at the end in one rename."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import DataError
from data.row_streams import file_kind, separator_of

Kind = Literal["text", "number", "integer", "truth", "list"]
"""What a column holds; `list` is a list of texts, written as JSON into a CSV."""

Value = str | float | int | bool | list[str] | None

_CHUNK = 4096
_TYPES = {
    "text": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "truth": pa.bool_(),
    "list": pa.list_(pa.string()),
}


class RowWriter:
    """Appends rows to a partial file: as CSV for a CSV, as JSON lines for all else.

    A parquet file cannot be gone on with once its writer has died, so one is made of lines at the
    end, by `finish`.

    Parameters
    ----------
    partial : the file; made where it is missing
    columns : name -> kind, in the order of writing
    output : the file that this is to become; its ending tells the form
    keep : bytes of what is there that stand; the rest is cut off

    Raises
    ------
    DataError
        If fewer bytes than `keep` are there.
    """

    def __init__(
        self, partial: Path, columns: Mapping[str, Kind], output: Path, keep: int = 0
    ) -> None:
        self._columns = tuple(columns)
        self._separator = separator_of(output) if file_kind(output) == "csv" else None
        there = partial.stat().st_size if partial.exists() else 0
        if there < keep:
            raise DataError(f"{partial.name} has {there} bytes, {keep} were written")
        self._file = partial.open("r+b" if partial.exists() else "w+b")
        self._file.truncate(keep)
        self._file.seek(keep)
        if not keep and self._separator:
            self._file.write(self._csv([self._columns]))

    def write(self, rows: Sequence[Mapping[str, Value]]) -> None:
        """Append rows; a column that a row lacks is left empty."""
        if self._separator:
            told = [[_cell(row.get(name)) for name in self._columns] for row in rows]
            self._file.write(self._csv(told))
            return
        for row in rows:
            values = {name: row.get(name) for name in self._columns}
            line = json.dumps(values, ensure_ascii=False, allow_nan=False)
            self._file.write(line.encode() + b"\n")

    @property
    def position(self) -> int:
        """Bytes written; given back as `keep`, they are what stands."""
        return self._file.tell()

    def sync(self) -> None:
        """Force what was written to disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _csv(self, rows: Sequence[Sequence[object]]) -> bytes:
        text = io.StringIO()
        # Without \r in the line's end, csv would leave a lone \r inside of a field unquoted.
        writer = csv.writer(text, delimiter=self._separator or ",", lineterminator="\r\n")
        writer.writerows(rows)
        return text.getvalue().encode()


def finish(partial: Path, columns: Mapping[str, Kind], output: Path) -> None:
    """Make `output` of a whole partial file in one rename; `partial` is gone then."""
    if file_kind(output) != "parquet":
        partial.replace(output)
        return
    made = partial.with_name(f"{partial.name}.parquet")
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in columns.items()])
    with (
        partial.open(encoding="utf-8", newline="\n") as lines,
        pq.ParquetWriter(made, schema) as writer,
    ):
        while part := [json.loads(line) for line in islice(lines, _CHUNK)]:
            writer.write_table(pa.Table.from_pylist(part, schema=schema))
    with made.open("rb") as file:
        os.fsync(file.fileno())
    made.replace(output)
    partial.unlink()


def _cell(value: Value) -> object:
    if value is True or value is False:
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
