"""What a query finds as CSV, JSON lines or parquet, in constant memory.

JSON lines hold everything, a prediction a line. CSV and parquet hold a row for each target of each
prediction, with what was said of it last.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import DataError
from data.store import Answered, Query, Store

_TEXT, _NUMBER, _TIME = pa.string(), pa.float64(), pa.timestamp("us", tz="UTC")

COLUMNS = {
    "id": _TEXT, "at": _TIME, "ticket_id": _TEXT, "customer": _TEXT, "language": _TEXT,
    "subject": _TEXT, "text": _TEXT, "bundle": _TEXT, "arm": _TEXT, "propensity": _NUMBER,
    "audit": pa.bool_(), "audit_propensity": _NUMBER, "target": _TEXT, "label": _TEXT,
    "confidence": _NUMBER, "decision": _TEXT, "reason": _TEXT, "cost": _NUMBER, "verdict": _TEXT,
    "right_label": _TEXT, "status": _TEXT, "author": _TEXT, "said_at": _TIME,
}  # fmt: skip
"""Columns of CSV and parquet; those from `verdict` on are empty where nothing was said."""

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
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise DataError(f"{path.name} should end in one of {', '.join(_WRITERS)}")
    partial = path.with_name(f".{uuid4().hex[:12]}.{path.name}")
    counted = _Counted(store.stream(query))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial, counted)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {type(error).__name__}") from None
    finally:
        partial.unlink(missing_ok=True)
    return counted.number


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
                row.propensity, row.audit, row.audit_propensity, target, answer.label,
                answer.confidence, answer.decision, answer.reason, row.cost.get(target),
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


def _write_csv(path: Path, found: Iterable[Answered]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines(found))


def _write_json_lines(path: Path, found: Iterable[Answered]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json_lines(found))


def _write_parquet(path: Path, found: Iterable[Answered]) -> None:
    schema = pa.schema(list(COLUMNS.items()))
    rows = flat_rows(found)
    with pq.ParquetWriter(path, schema) as writer:
        while part := list(islice(rows, _CHUNK)):
            writer.write_table(pa.Table.from_pylist(part, schema=schema))


_WRITERS: dict[str, Callable[[Path, Iterable[Answered]], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
