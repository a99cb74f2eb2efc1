"""The only reader of ticket files: CSV, JSON lines and parquet, row by row."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.catalog import Dataset
from data.errors import CatalogError, DataError

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}

_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """One record as it stands in a file.

    `number` counts records from 1, the header not among them. `fault` says why the record could
    not be read; its values are then empty. Bytes that are no text stand in the values as lone
    surrogates (PEP 383).
    """

    file: str
    number: int
    values: Mapping[str, object]
    fault: str | None = None


def read_rows(path: Path, dataset: Dataset) -> Iterator[Row]:
    """All records of a file, in order, none left out.

    Raises
    ------
    CatalogError
        If the suffix tells no format or the header is unusable.
    DataError
        If the file as a whole cannot be read.
    """
    kind = dataset.format or SUFFIXES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(SUFFIXES)
        raise CatalogError(
            f"{dataset.name}: {path.name} has none of the suffixes {known}; add "
            "format: csv, jsonl or parquet to the entry"
        )
    readers = {"csv": _read_csv, "jsonl": _read_json_lines, "parquet": _read_parquet}
    try:
        yield from readers[kind](path, dataset)
    except (UnicodeError, csv.Error, pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path.name} cannot be read as {kind} in {dataset.encoding}: {type(error).__name__}"
        ) from error


def read_column_values(
    path: Path, dataset: Dataset, columns: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """The values of some columns of a file that accompanies a data set, as text."""
    for row in read_rows(path, dataset):
        missing = [column for column in columns if column not in row.values]
        if missing:
            raise DataError(f"{path.name}: record {row.number} has no column {missing[0]!r}")
        yield tuple(str(row.values[column]) for column in columns)


def _encoding(dataset: Dataset) -> str:
    # utf-8-sig reads plain UTF-8 too, and drops the mark that spreadsheets put in front.
    plain = dataset.encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    return "utf-8-sig" if plain else dataset.encoding


def _read_csv(path: Path, dataset: Dataset) -> Iterator[Row]:
    separator = dataset.separator or ("\t" if path.suffix.lower() == ".tsv" else ",")
    # The default limit of 131,072 characters raises in the middle of a file; a field that is too
    # long is a matter for one row, not for the run.
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding=_encoding(dataset), errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream, delimiter=separator)
        header = list(dataset.header) or next(reader, [])
        _check_header(path, dataset, header)
        number, line = 0, reader.line_num
        for fields in reader:
            first, line = line + 1, reader.line_num
            if not fields:
                continue
            number += 1
            if len(fields) == len(header):
                yield Row(path.name, number, dict(zip(header, fields, strict=True)))
            else:
                fault = f"{len(fields)} fields, expected {len(header)}; lines {first} to {line}"
                yield Row(path.name, number, {}, fault)


def _check_header(path: Path, dataset: Dataset, header: list[str]) -> None:
    if not header:
        raise DataError(f"{path.name} is empty: not even a header")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise CatalogError(f"{dataset.name}: {path.name} has two columns called {twice[0]!r}")


def _read_json_lines(path: Path, dataset: Dataset) -> Iterator[Row]:
    with path.open(encoding=_encoding(dataset), errors="surrogateescape", newline="\n") as stream:
        number = 0
        for line in stream:
            if not line.strip():
                continue
            number += 1
            try:
                values: Any = json.loads(line)
            except (ValueError, RecursionError):
                yield Row(path.name, number, {}, "not JSON")
                continue
            if isinstance(values, dict):
                yield Row(path.name, number, values)
            else:
                yield Row(path.name, number, {}, "not a JSON object")


def _read_parquet(path: Path, dataset: Dataset) -> Iterator[Row]:
    number = 0
    with pq.ParquetFile(path) as file:
        _check_header(path, dataset, list(file.schema_arrow.names))
        for batch in file.iter_batches(_BATCH):
            for values in batch.to_pylist():
                number += 1
                yield Row(path.name, number, values)
