"""A job in the hands of the one worker that answers it: where it stands, line by line."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO

from serving.each import Answered
from serving.job_lines import count_errors, error_of
from serving.job_state import JobState
from serving.jobs import INPUT, OUTPUT, Jobs
from serving.problems import erased_problem

logger = logging.getLogger(__name__)

SAFE_EVERY = 1.0
"""Seconds between two moments at which state.json is written and the answers forced to disk."""


@contextmanager
def claim(jobs: Jobs) -> Iterator["Claim | None"]:
    """The oldest job that is not finished and that nobody works on; None where there is none."""
    for waiting in reversed(jobs.all()):
        if waiting.finished:
            continue
        with jobs.held(waiting.id) as state:
            if state is None or state.finished:
                continue
            try:
                claimed = Claim(jobs, state)
            except OSError as error:
                logger.error("job %s cannot be opened: %s", state.id, type(error).__name__)
                jobs.end(state.ended("failed", f"its files are gone: {type(error).__name__}"))
                continue
            with claimed:
                yield claimed
            return
    yield None


class Claim:
    """An owned job. Lines are read, answered and written; what is written is never done twice.

    It goes on behind the last whole line of the output, whatever state.json had not learned of.
    Lines may be erased meanwhile, or the whole job be removed, by who does not own it.

    Raises
    ------
    OSError
        If its files cannot be read.
    """

    def __init__(self, jobs: Jobs, state: JobState) -> None:
        self._jobs = jobs
        self._folder = jobs.root / state.id
        self._since = self._kept_at = time.monotonic()
        self._seconds = state.seconds
        self.state = state
        with jobs.still(state.id):
            self._output: IO[bytes] = (self._folder / OUTPUT).open("r+b")
            self._input: IO[bytes] = (self._folder / INPUT).open("rb")
            self._recover(state)
        self.keep()

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants it to end, or has removed it."""
        return self._jobs.is_cancelled(self.state.id)

    @property
    def unsafe(self) -> bool:
        """Whether it is time to call `keep`."""
        return time.monotonic() - self._kept_at >= SAFE_EVERY

    def read(self, lines: int) -> list[bytes]:
        """The next lines to answer; the same again until answers to them are written."""
        with self._jobs.still(self.state.id) as there:
            return self._read(lines) if there else []

    def write(self, lines: Sequence[bytes], answers: Sequence[Answered]) -> list[bytes]:
        """Append the answers to `lines`, save those erased since they were read; which those are.

        All of them, and nothing is appended, where the job was removed.
        """
        with self._jobs.still(self.state.id) as there:
            if not there:
                return list(lines)
            pairs = list(zip(lines, self._read(len(lines)), answers, strict=True))
            kept = [
                answer if line == now else Answered(index=answer.index, problem=erased_problem())
                for line, now, answer in pairs
            ]
            told = b"".join(answer.model_dump_json().encode() + b"\n" for answer in kept)
            self._output.write(told)
            self._output.flush()
            errors = sum(answer.problem is not None for answer in kept)
            self._advance(len(kept), errors, sum(map(len, lines)), len(told))
            return [line for line, now, _ in pairs if line != now]

    def keep(self) -> None:
        """Make what is written safe, and let others see how far it is."""
        os.fsync(self._output.fileno())
        self._jobs.write(self.state)
        self._kept_at = time.monotonic()

    def done(self) -> None:
        """End it, all answered."""
        self._end(self.state.ended("done"))

    def cancel(self) -> None:
        """End it because somebody wants so."""
        self._end(self.state.ended("cancelled"))

    def fail(self, reason: str) -> None:
        """End it because it cannot go on."""
        self._end(self.state.ended("failed", reason))

    def __enter__(self) -> "Claim":
        return self

    def __exit__(self, *_: object) -> None:
        self._input.close()
        self._output.close()

    def _read(self, lines: int) -> list[bytes]:
        self._follow()
        self._input.seek(self.state.input_bytes)
        return list(islice(self._input, lines))

    def _follow(self) -> None:
        """Open files anew that an erasure has replaced; no line has moved in them."""
        if not _is_at(self._input, self._folder / INPUT):
            self._input.close()
            self._input = (self._folder / INPUT).open("rb")
        if not _is_at(self._output, self._folder / OUTPUT):
            self._output.close()
            self._output = (self._folder / OUTPUT).open("r+b")
            self._output.seek(self.state.output_bytes)
            errors = count_errors(self._folder / OUTPUT, self.state.done)
            self.state = self.state.model_copy(update={"errors": errors})

    def _end(self, state: JobState) -> None:
        os.fsync(self._output.fileno())
        self._jobs.end(state)
        self.state = state

    def _advance(self, done: int, errors: int, read: int, written: int) -> None:
        now = self.state
        self.state = now.model_copy(
            update={
                "done": now.done + done,
                "errors": now.errors + errors,
                "input_bytes": now.input_bytes + read,
                "output_bytes": now.output_bytes + written,
                "seconds": self._seconds + time.monotonic() - self._since,
            }
        )

    def _recover(self, state: JobState) -> None:
        """Find where it really stands; cuts off a line that was not finished."""
        if os.fstat(self._output.fileno()).st_size < state.output_bytes:
            logger.error("job %s has lost answers and begins anew", state.id)
            state = state.model_copy(
                update={"done": 0, "errors": 0, "input_bytes": 0, "output_bytes": 0}
            )
        self.state = state.model_copy(
            update={"state": "running", "started_at": state.started_at or datetime.now(UTC)}
        )
        self._output.seek(state.output_bytes)
        self._input.seek(state.input_bytes)
        for line in self._output:
            error = error_of(line, self.state.done)
            ticket = self._input.readline() if error is not None else b""
            if error is None or not ticket:
                break
            self._advance(1, error, len(ticket), len(line))
        self._output.truncate(self.state.output_bytes)
        self._output.seek(self.state.output_bytes)
        if self.state.done:
            logger.info("job %s goes on behind line %d", state.id, self.state.done)


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one that stands at a path."""
    return os.path.samestat(os.fstat(file.fileno()), path.stat())
