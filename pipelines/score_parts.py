"""A scored file as a folder of parts, each written once by whichever worker comes to it.

    scored.parquet/
      _made_of.json          what the parts are made of: input, bundle, settings
      part-000000.parquet    the answers to the first rows, in order
      part-000001.parquet
      _SUCCESS               written last: all parts are there

A part is named by its place and made of its rows alone, and appears whole, in one rename. So a part
that two workers wrote, because one was thought lost, is there once and the same; and whoever begins
again with the same input, bundle and settings writes only those that are missing.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from data.durable import sync_folder, write_text
from data.errors import DataError
from data.row_streams import RowSource, file_kind
from data.row_writing import Kind, RowWriter, finish
from data.tables import Row
from pipelines.scored_rows import TicketColumns
from pipelines.scoring import Ask, answer

logger = logging.getLogger(__name__)

BATCHES = 16
"""Batches of rows in one part: 4,096 rows of the usual batch, which is what a lost worker costs."""

MADE_OF = "_made_of.json"
SUCCESS = "_SUCCESS"
"""As Spark names it; what begins with an underline is no data to whoever reads the folder."""


@dataclass(frozen=True)
class Parts:
    """What the parts of one output are made of; the same for every worker."""

    source: RowSource
    output: Path
    columns: TicketColumns
    written: Mapping[str, Kind]
    batch: int

    @property
    def rows(self) -> int:
        """Rows of a part; the last one may have fewer."""
        return BATCHES * self.batch

    def path(self, number: int) -> Path:
        """Where a part stands once it is whole."""
        return self.output / f"part-{number:06d}{self.output.suffix}"

    def numbers(self, rows: int) -> range:
        """All parts of so many rows; of none there is one, which has no row."""
        return range(max(1, -(-rows // self.rows)))


class PartWriter:
    """Answers one part after the other, in constant memory.

    Parts that follow each other are read in one pass through the input; for one that lies before,
    the pass begins anew.
    """

    def __init__(self, parts: Parts, ask: Ask) -> None:
        self._parts = parts
        self._ask = ask
        self._rewind()

    def write(self, number: int) -> tuple[int, int]:
        """Write a part; gives its rows, and how many of them are in error.

        Raises
        ------
        DataError
            If the input cannot be read.
        """
        path = self._parts.path(number)
        partial = path.with_name(f".{path.name}.{uuid4().hex[:12]}.partial")
        rows = errors = 0
        try:
            with RowWriter(partial, self._parts.written, path) as writer:
                for chunk in self._read(number):
                    lines = answer(self._ask, chunk, self._parts.columns)
                    rows += len(lines)
                    errors += sum("error" in line for line in lines)
                    writer.write(lines)
                writer.sync()
            finish(partial, self._parts.written, path)
        except BaseException:
            self._rewind()  # nobody knows how far the pass has come
            raise
        finally:
            partial.unlink(missing_ok=True)
        return rows, errors

    def _read(self, number: int) -> Iterator[list[Row]]:
        begin = number * BATCHES
        if begin < self._passed:
            self._rewind()
        while self._passed < begin + BATCHES and (chunk := next(self._chunks, None)) is not None:
            self._passed += 1
            if self._passed > begin:
                yield chunk

    def _rewind(self) -> None:
        self._passed = 0
        self._chunks = self._parts.source.chunks(self._parts.batch)


def prepare(parts: Parts, made_of: Mapping[str, str], rows: int) -> list[int]:
    """Make the folder ready; gives the parts that are missing.

    What was made of something else is removed, with a warning; so is what lost workers left.

    Raises
    ------
    DataError
        If a file stands in the place of the folder, or the folder holds something else.
    """
    output = parts.output
    if output.exists() and not output.is_dir():
        raise DataError(f"{output.name} is a file; parts are written into a folder of that name")
    output.mkdir(parents=True, exist_ok=True)
    _sweep(output)
    found = _read_made_of(output)
    if found is None and any(output.iterdir()):
        raise DataError(f"{output.name} holds something else: give the output another name")
    if found != made_of:
        if found is not None:
            other = " and ".join(key for key in made_of if found.get(key) != made_of[key])
            logger.warning("%s: now there is another %s: all is scored anew", output.name, other)
        (output / SUCCESS).unlink(missing_ok=True)
        for old in output.glob("part-*"):
            old.unlink()
        write_text(output / MADE_OF, json.dumps(made_of, indent=1) + "\n")
    return [number for number in parts.numbers(rows) if not parts.path(number).exists()]


def complete(parts: Parts, rows: int) -> None:
    """Mark the folder as whole, without what lost workers left.

    Raises
    ------
    DataError
        If a part is missing: the workers do not write into the same folder as we read.
    """
    if missing := [number for number in parts.numbers(rows) if not parts.path(number).exists()]:
        raise DataError(
            f"{len(missing)} parts are not in {parts.output}, the first of them "
            f"{parts.path(missing[0]).name}: every worker must see this folder under this name"
        )
    _sweep(parts.output)
    sync_folder(parts.output)
    write_text(parts.output / SUCCESS, "")


def count_rows(path: Path) -> tuple[int, int]:
    """Rows of a part, and how many of them are in error."""
    told = [bool(row.values.get("error")) for row in RowSource(path).rows()]
    return len(told), sum(told)


def check_output(source: Path, output: Path) -> None:
    """Refuse an output that cannot be a folder of parts.

    Raises
    ------
    DataError
        If its ending names no form, or it is the input.
    """
    file_kind(output)
    if output.exists() and output.samefile(source):
        raise DataError(f"{output.name} is the input: give the output another name")


def _sweep(output: Path) -> None:
    for left in output.glob(".part-*"):
        left.unlink()


def _read_made_of(output: Path) -> dict[str, str] | None:
    try:
        told = json.loads((output / MADE_OF).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in told.items()} if isinstance(told, dict) else {}
