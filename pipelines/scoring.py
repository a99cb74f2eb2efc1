"""Scores the rows of a file: in order, in constant memory, and from where it was interrupted.

What is written stands beside the output under a hidden name, with a checkpoint that says how much
of it is safe and what it was made of. Whoever begins again with the same input, bundle and
settings goes on behind the last safe row; with anything else, from the first.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from data.durable import sync_folder, write_text
from data.errors import DataError, ModelError
from data.row_streams import RowSource
from data.row_writing import Kind, RowWriter, Value, finish
from data.schema import Detail, Prediction, Ticket
from data.tables import Row
from pipelines.progress import counted
from pipelines.score_checkpoint import (
    Checkpoint,
    alone,
    checkpoint_of,
    find_checkpoint,
    partial_of,
)
from pipelines.scored_rows import RowError, TicketColumns, output_columns, refused, ticket_of, told

BATCH = 256
"""Rows that are read, answered and written together."""

SAFE_EVERY = 5.0
"""Seconds between two checkpoints, and so the work that a crash may cost."""


_FAILURES = (ModelError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What a model may raise on a text; anything else stops the run."""


class Assistant(Protocol):
    """What is asked of a loaded bundle."""

    @property
    def version(self) -> str: ...

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]: ...

    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]: ...

    def decide(self, tickets: Sequence[Ticket]) -> list[Prediction]: ...


Ask = Callable[[Sequence[Ticket]], list[Prediction]]
"""Gives one prediction per ticket, in order."""


Loader = Callable[[Path], Assistant]
"""Opens the assistant of a bundle."""


class Elsewhere(Protocol):
    """Who answers whole chunks of rows, in order; `pipelines.score_workers.Workers` does."""

    @property
    def version(self) -> str: ...

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]: ...

    def answers(self, chunks: Iterable[Sequence[Row]]) -> Iterator[list[dict[str, Value]]]: ...


Answers = Callable[[Iterable[Sequence[Row]]], Iterator[list[dict[str, Value]]]]
"""From chunks of rows to the lines of each, in order."""


@dataclass(frozen=True)
class Done:
    """What became of a file."""

    rows: int
    errors: int
    resumed: int
    seconds: float

    def __str__(self) -> str:
        rate = (self.rows - self.resumed) / max(self.seconds, 1e-9)
        went_on = f", the first {self.resumed:,} in a former run" if self.resumed else ""
        return f"{self.rows:,} rows, {self.errors:,} errors, {rate:,.1f} rows/s{went_on}"


def score(
    source: RowSource,
    output: Path,
    assistant: Assistant | Elsewhere,
    columns: TicketColumns,
    batch: int = BATCH,
    safe_every: float = SAFE_EVERY,
    detail: Detail = "full",
) -> Done:
    """Write one row per row of `source`, in order: the answers, or why there are none.

    Parameters
    ----------
    assistant : a loaded bundle, or who answers chunks of rows by it elsewhere
    detail : `decision`: what is to be done with a ticket, by the cascade where the bundle has one

    Raises
    ------
    DataError
        If the source cannot be read or lacks a column, the output's ending is unknown, the output
        is the input, or another run writes it.
    """
    written = output_columns(tuple(assistant.targets), detail)
    if output.exists() and output.samefile(source.path):
        raise DataError(f"{output.name} is the input: give the output another name")
    source.require(tuple(columns.named.values()))
    survey = source.survey()
    made_of = {
        "input": survey.sha256,
        "bundle": assistant.version,
        "settings": settings_of(source, columns, written),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    with alone(output):
        run = _Run(output, written, find_checkpoint(output, made_of), safe_every)
        done = run.go_through(source, _answers_of(assistant, columns, detail), batch, survey.rows)
        finish(run.partial, written, output)
        checkpoint_of(output).unlink(missing_ok=True)
        sync_folder(output.parent)
    return done


def _answers_of(
    assistant: Assistant | Elsewhere, columns: TicketColumns, detail: Detail
) -> Answers:
    if hasattr(assistant, "answers"):
        return assistant.answers
    ask = assistant.predict if detail == "full" else assistant.decide
    return lambda chunks: (answer(ask, chunk, columns) for chunk in chunks)


class _Run:
    """The partial file, and how far it has come."""

    def __init__(
        self, output: Path, written: Mapping[str, Kind], begin: Checkpoint, safe_every: float
    ) -> None:
        self.partial = partial_of(output)
        self._checkpoint = checkpoint_of(output)
        self._output = output
        self._written = written
        self._begin = begin
        self._safe_every = safe_every

    def go_through(
        self,
        source: RowSource,
        answers: Answers,
        batch: int,
        total: int,
    ) -> Done:
        """Score the rows that are left; whatever stops it, whole chunks are kept."""
        began = kept_at = time.monotonic()
        now = self._begin
        with (
            RowWriter(self.partial, self._written, self._output, now.bytes) as writer,
            counted("score", total, now.rows) as advance,
        ):
            try:
                for lines in answers(source.chunks(batch, skip=now.rows)):
                    errors = sum("error" in line for line in lines)
                    writer.write(lines)
                    # One assignment: what stops us in between cannot part rows from their bytes.
                    now = Checkpoint(
                        now.made_of, now.rows + len(lines), now.errors + errors, writer.position
                    )
                    if time.monotonic() - kept_at >= self._safe_every:
                        self._keep(writer, now)
                        kept_at = time.monotonic()
                    advance(len(lines))
            finally:
                self._keep(writer, now)
        return Done(now.rows, now.errors, self._begin.rows, time.monotonic() - began)

    def _keep(self, writer: RowWriter, now: Checkpoint) -> None:
        writer.sync()
        write_text(self._checkpoint, json.dumps(asdict(now)) + "\n")


def answer(ask: Ask, rows: Sequence[Row], columns: TicketColumns) -> list[dict[str, Value]]:
    """One row of the output per row, in order."""
    lines: dict[int, dict[str, Value]] = {}
    tickets: dict[int, Ticket] = {}
    for place, row in enumerate(rows):
        try:
            tickets[place] = ticket_of(row, columns)
        except RowError as error:
            lines[place] = refused(row, columns, str(error))
    for place, found in zip(tickets, _predict(ask, list(tickets.values())), strict=True):
        row = rows[place]
        lines[place] = (
            refused(row, columns, found) if isinstance(found, str) else told(row, columns, found)
        )
    return [lines[place] for place in range(len(rows))]


def _predict(ask: Ask, tickets: Sequence[Ticket]) -> Iterator[Prediction | str]:
    """The answer to each ticket, or which kind of failure it met.

    A ticket that breaks the model does not take the answers of its neighbours along.
    """
    if not tickets:
        return
    try:
        yield from ask(tickets)
    except _FAILURES as error:
        if len(tickets) > 1:
            for ticket in tickets:
                yield from _predict(ask, [ticket])
        else:
            yield f"not_answered: {type(error).__name__}"


def settings_of(source: RowSource, columns: TicketColumns, written: Mapping[str, Kind]) -> str:
    """A digest of how the input is read and of what is written."""
    chosen = [source.kind, source.encoding, source.separator, columns.named, list(written)]
    return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()
