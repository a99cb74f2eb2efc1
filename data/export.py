"""What a query finds as CSV, JSON lines or parquet, in constant memory.

JSON lines hold everything, a prediction a line. CSV and parquet hold a row for each target of each
prediction, with what was said of it last.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from data.errors import DataError
from data.store import Answered, Query, Store

Kind = Literal["text", "number", "time", "flag"]

COLUMNS: dict[str, Kind] = {
    "id": "text", "at": "time", "ticket_id": "text", "customer": "text", "language": "text",
    "subject": "text", "text": "text", "bundle": "text", "arm": "text", "propensity": "number",
    "explicit": "flag", "beside": "text", "audit": "flag", "audit_propensity": "number",
    "target": "text", "label": "text", "confidence": "number", "decision": "text",
    "reason": "text", "cost": "number", "verdict": "text", "right_label": "text",
    "status": "text", "author": "text", "said_at": "time",
}  # fmt: skip
"""Columns of CSV and parquet; those from `verdict` on are empty where nothing was said."""

Form = Literal["csv", "jsonl", "parquet"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would compute: OWASP, "CSV Injection"."""

_CHUNK = 500


def export(store: Store, query: Query, path: Path) -> int:
    """Write what a query finds to a file, the oldest first; the ending tells the form.

    The file appears when it is complete.

    Returns
    -------
    int
        How many predictions there are in it.

    Raises
    ------
    DataError
        If the ending is none of .csv, .jsonl and .parquet, or the file cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in _PIECES:
        raise DataError(f"{path.name} should end in one of .{', .'.join(_PIECES)}")
    partial = path.with_name(f".{uuid4().hex[:12]}.{path.name}")
    counted = _Counted(store.stream(query))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.writelines(_PIECES[form](counted))
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {type(error).__name__}") from None
    finally:
        partial.unlink(missing_ok=True)
    return counted.number


def pieces(found: Iterator[Answered], form: Form) -> Iterator[bytes]:
    """The bytes of such a file, a piece at a time.

    The first prediction is read at once, so that a store that is down is an error and not a file
    that ends early.
    """
    first = list(islice(found, 1))
    return _PIECES[form](chain(first, found))


def json_lines(found: Iterable[Answered]) -> Iterator[str]:
    """A line of JSON for each prediction, with its feedback."""
    for answered in found:
        yield answered.model_dump_json() + "\n"


def csv_lines(found: Iterable[Answered]) -> Iterator[str]:
    """A header and a line for each target of each prediction.

    A text that a spreadsheet would take for a formula gets an apostrophe in front. Moments are ISO
    8601 in UTC; empty is what is not there.
    """
    yield _csv_line(COLUMNS)
    for row in flat_rows(found):
        yield _csv_line(map(_cell, row.values()))


def flat_rows(found: Iterable[Answered]) -> Iterator[dict[str, Any]]:
    """The values of COLUMNS, for each target of each prediction."""
    for answered in found:
        row = answered.stored
        said = {given.target: given for given in answered.feedback}
        for target, answer in row.prediction.targets.items():
            last = said.get(target)
            values = (
                row.id, row.at, row.ticket.id, row.customer, row.prediction.language,
                row.ticket.subject, row.ticket.text, row.prediction.bundle, row.arm,
                row.propensity, row.explicit, row.beside, row.audit, row.audit_propensity, target,
                answer.label, answer.confidence, answer.decision, answer.reason,
                row.cost.get(target),
                *((last.verdict, last.label, last.status, last.author, last.at)
                  if last else (None,) * 5),
            )  # fmt: skip
            yield dict(zip(COLUMNS, values, strict=True))


class _Counted:
    def __init__(self, found: Iterable[Answered]) -> None:
        self._found = found
        self.number = 0

    def __iter__(self) -> Iterator[Answered]:
        for answered in self._found:
            self.number += 1
            yield answered


def _csv_line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def _parquet(found: Iterable[Answered]) -> Iterator[bytes]:
    # A worker that is never asked for parquet saves 40 MB.
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[Kind, pa.DataType] = {
        "text": pa.string(),
        "number": pa.float64(),
        "time": pa.timestamp("us", tz="UTC"),
        "flag": pa.bool_(),
    }
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    rows = flat_rows(found)
    sink = _Sink()
    with pq.ParquetWriter(sink, schema) as writer:
        while part := list(islice(rows, _CHUNK)):
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


_PIECES: dict[str, Callable[[Iterable[Answered]], Iterator[bytes]]] = {
    "csv": lambda found: (line.encode() for line in csv_lines(found)),
    "jsonl": lambda found: (line.encode() for line in json_lines(found)),
    "parquet": _parquet,
}
