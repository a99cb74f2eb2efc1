"""What a search finds, as bytes of a file, a piece at a time."""

import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from data.export import COLUMNS, csv_lines, flat_rows, json_lines
from data.store import Answered

Form = Literal["csv", "jsonl", "parquet"]
MEDIA_TYPES: dict[Form, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
ROW_GROUP = 500
"""Rows of a parquet file in memory at once."""


def pieces(found: Iterator[Answered], form: Form) -> Iterator[bytes]:
    """The file in constant memory.

    The first prediction is read at once, so that a store that is down is an error and not a file
    that ends early.
    """
    first = list(islice(found, 1))
    return _PIECES[form](chain(first, found))


def _csv(found: Iterable[Answered]) -> Iterator[bytes]:
    return (line.encode() for line in csv_lines(found))


def _json_lines(found: Iterable[Answered]) -> Iterator[bytes]:
    return (line.encode() for line in json_lines(found))


def _parquet(found: Iterable[Answered]) -> Iterator[bytes]:
    schema = pa.schema(list(COLUMNS.items()))
    rows = flat_rows(found)
    sink = _Sink()
    with pq.ParquetWriter(sink, schema) as writer:
        while part := list(islice(rows, ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(part, schema=schema))
            yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """A file that only grows and whose beginning may be taken away while it does."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, content: object) -> int:
        part = bytes(content)  # type: ignore[call-overload]
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def take(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


_PIECES = {"csv": _csv, "jsonl": _json_lines, "parquet": _parquet}
