"""A file of tickets on its way into a job: written to disk line by line, as it comes."""

import os
import secrets
import shutil
from datetime import UTC, datetime

from filelock import FileLock

from data.durable import sync_folder, write_text
from data.errors import DataError
from serving.correlation import current_correlation
from serving.job_state import JobState
from serving.jobs import INPUT, OUTPUT, STATE, Jobs


class LineTooLongError(DataError):
    """A line of a job's file is longer than a ticket may be."""

    def __init__(self, number: int, limit: int) -> None:
        super().__init__(f"line {number} has more than {limit} bytes")


class NoTicketsError(DataError):
    """The file of a job holds no line."""


class Incoming:
    """A job that is being sent: a hidden folder, one of the jobs when all is there.

    Parameters
    ----------
    max_line : bytes of one ticket, at most
    customer : the caller's key of who wrote the tickets

    Raises
    ------
    JobsFullError
        If too many jobs wait.
    """

    def __init__(self, jobs: Jobs, max_line: int, customer: str | None = None) -> None:
        jobs.tidy()
        jobs.check_room()
        jobs.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._jobs = jobs
        self._max_line = max_line
        self._customer = customer
        self.id = secrets.token_hex(16)
        self._folder = jobs.root / f".{self.id}.partial"
        self._folder.mkdir(mode=0o700)
        self._file = (self._folder / INPUT).open("xb")
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._lines = 0
        self.tickets = 0

    def feed(self, chunk: bytes) -> None:
        """Write the lines that are whole; blank ones are no tickets.

        Raises
        ------
        LineTooLongError
            If a line is, whole or not.
        """
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            lines = (b"".join(self._rest) + head).split(b"\n")
            self._rest, self._rest_bytes = [], 0
            for line in lines:
                self._write(line)
        self._rest.append(tail)
        self._rest_bytes += len(tail)
        if self._rest_bytes > self._max_line:
            raise LineTooLongError(self._lines + 1, self._max_line)

    def finish(self) -> JobState:
        """Make a job of what was sent.

        Raises
        ------
        NoTicketsError
            If all lines are blank.
        LineTooLongError
            If the last one is.
        JobsFullError
            If others were faster.
        """
        self._write(b"".join(self._rest))
        self._rest = []
        if not self.tickets:
            raise NoTicketsError("a job needs at least 1 ticket")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        (self._folder / OUTPUT).touch()
        state = JobState(
            id=self.id,
            tickets=self.tickets,
            created_at=datetime.now(UTC),
            customer=self._customer,
            correlation=current_correlation(),
        )
        write_text(self._folder / STATE, state.model_dump_json() + "\n")
        with FileLock(self._jobs.root / ".lock"):
            self._jobs.check_room()
            self._folder.rename(self._jobs.root / self.id)
        sync_folder(self._jobs.root)
        return state

    def __enter__(self) -> "Incoming":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, line: bytes) -> None:
        self._lines += 1
        if len(line) > self._max_line:
            raise LineTooLongError(self._lines, self._max_line)
        line = line.removeprefix(b"\xef\xbb\xbf") if self._lines == 1 else line
        if line.strip():
            self._file.write(line + b"\n")
            self.tickets += 1
