"""A job in the hands of the one worker that answers it: where it stands, line by line."""

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import IO

from serving.each import Answered
from serving.job_state import JobState
from serving.jobs import INPUT, OUTPUT, Jobs

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

    Raises
    ------
    OSError
        If its files cannot be read.
    """

    def __init__(self, jobs: Jobs, state: JobState) -> None:
        folder = jobs.root / state.id
        self._jobs = jobs
        self._output: IO[bytes] = (folder / OUTPUT).open("r+b")
        self._input: IO[bytes] = (folder / INPUT).open("rb")
        self._since = self._kept_at = time.monotonic()
        self._seconds = state.seconds
        self._recover(state)
        self.keep()

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants it to end."""
        return self._jobs.is_cancelled(self.state.id)

    @property
    def unsafe(self) -> bool:
        """Whether it is time to call `keep`."""
        return time.monotonic() - self._kept_at >= SAFE_EVERY

    def read(self, lines: int) -> list[bytes]:
        """The next lines to answer; the same again until answers to them are written."""
        self._input.seek(self.state.input_bytes)
        return list(islice(self._input, lines))

    def write(self, lines: Sequence[bytes], answers: Sequence[Answered]) -> None:
        """Append the answers to `lines`."""
        told = b"".join(answer.model_dump_json().encode() + b"\n" for answer in answers)
        self._output.write(told)
        self._output.flush()
        errors = sum(answer.problem is not None for answer in answers)
        self._advance(len(answers), errors, sum(map(len, lines)), len(told))

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
            error = _error_of(line, self.state.done)
            ticket = self._input.readline() if error is not None else b""
            if error is None or not ticket:
                break
            self._advance(1, error, len(ticket), len(line))
        self._output.truncate(self.state.output_bytes)
        self._output.seek(self.state.output_bytes)
        if self.state.done:
            logger.info("job %s goes on behind line %d", state.id, self.state.done)


def _error_of(line: bytes, index: int) -> int | None:
    """1 where a whole line of the output tells a problem, 0 for a prediction; None if unwhole."""
    try:
        told = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("index") != index:
        return None
    return int(told.get("problem") is not None)
