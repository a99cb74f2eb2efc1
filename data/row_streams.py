"""Files of any size, read a chunk at a time: CSV, JSON lines and parquet, by their ending."""

import codecs
import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.catalog import Dataset
from data.errors import DataError
from data.tables import SUFFIXES, Row, read_rows

LOOKED_AT = 1_000
"""Lines of a JSONL file in which a column must occur once to be known."""


def file_kind(path: Path) -> str:
    """`csv`, `jsonl` or `parquet`, by the ending.

    Raises
    ------
    DataError
        If the ending is none of those known.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path.name} ends in none of {', '.join(SUFFIXES)}")
    return kind


def separator_of(path: Path) -> str:
    """What stands between two fields of a CSV unless said otherwise."""
    return "\t" if path.suffix.lower() == ".tsv" else ","


@dataclass(frozen=True)
class Survey:
    """What a whole file is: its bytes, and how many rows there are in it."""

    sha256: str
    rows: int


class RowSource:
    """The rows of one file, as often as one asks, in constant memory.

    Parameters
    ----------
    path : CSV, TSV, JSONL, NDJSON or parquet
    encoding : of a text file
    separator : of a CSV; by default a tab in a `.tsv`, a comma elsewhere

    Raises
    ------
    DataError
        If the file is missing, its ending unknown, or encoding or separator are none.
    """

    def __init__(self, path: Path, encoding: str = "utf-8", separator: str | None = None) -> None:
        self.path = path
        self.kind = file_kind(path)
        self.encoding = encoding
        self.separator = separator or separator_of(path)
        if not path.is_file():
            raise DataError(f"{path} is not there, or is no file")
        try:
            # The mark that spreadsheets put in front is no part of the first column's name.
            plain = codecs.lookup(encoding).name == "utf-8"
        except LookupError:
            raise DataError(f"Python knows no encoding {encoding!r}") from None
        self._read_as = "utf-8-sig" if plain else encoding
        if len(self.separator) != 1:
            raise DataError(f"a separator is one character, not {self.separator!r}")
        self._described = Dataset(
            name="rows", path=(str(path),), encoding=self._read_as, separator=self.separator
        )

    def rows(self) -> Iterator[Row]:
        """Every row in order; one that cannot be read carries its fault.

        Raises
        ------
        DataError
            If the file as a whole cannot be read.
        """
        return read_rows(self.path, self._described)

    def chunks(self, size: int, skip: int = 0) -> Iterator[list[Row]]:
        """The rows after the first `skip`, `size` at a time; the last chunk may be shorter."""
        rows = islice(self.rows(), skip, None)
        while chunk := list(islice(rows, size)):
            yield chunk

    def columns(self) -> tuple[str, ...]:
        """Names of the columns; of JSON lines those of the first 1,000 that can be read."""
        if self.kind == "csv":
            return self._header()
        if self.kind == "parquet":
            return self._schema()
        found: dict[str, None] = {}
        for row in islice(self.rows(), LOOKED_AT):
            found.update(dict.fromkeys(row.values))
        return tuple(found)

    def require(self, wanted: Sequence[str]) -> None:
        """Refuse a file that lacks a column.

        Raises
        ------
        DataError
            With the columns that are there.
        """
        present = self.columns()
        if self.kind == "jsonl" and not present:
            return  # no line of it can be read, which each of them will say for itself
        if missing := [column for column in wanted if column not in present]:
            raise DataError(
                f"{self.path.name} has no column {missing[0]!r}; it has: {', '.join(present)}"
            )

    def survey(self) -> Survey:
        """Read the whole file once: one that breaks off is known before work on it begins.

        Raises
        ------
        DataError
            If the file as a whole cannot be read.
        """
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Survey(digest, sum(1 for _ in self.rows()))

    def _header(self) -> tuple[str, ...]:
        try:
            with self.path.open(
                encoding=self._read_as, errors="surrogateescape", newline=""
            ) as file:
                return tuple(next(csv.reader(file, delimiter=self.separator), ()))
        except (UnicodeError, csv.Error) as error:
            raise self._unreadable(error) from error

    def _schema(self) -> tuple[str, ...]:
        try:
            return tuple(pq.read_schema(self.path).names)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> DataError:
        return DataError(f"{self.path.name} cannot be read as {self.kind}: {type(error).__name__}")
