"""Taking what erased tickets and customers wrote out of the files of jobs, whoever answers them."""

import json
import os
from collections.abc import Callable, Collection
from pathlib import Path
from uuid import uuid4

from data.durable import sync_folder
from data.errors import StoreError
from data.store import Erasure
from serving.job_lines import (
    count_errors,
    erase_answer,
    erase_ticket,
    is_erased_ticket,
    read_answer,
    read_ticket_id,
)
from serving.jobs import INPUT, OUTPUT, Jobs

_FEW = 16
"""Up to so many ids, looking for their bytes is faster than reading every line as JSON."""


def erase_in_jobs(jobs: Jobs, erasure: Erasure, tickets: Collection[str]) -> int:
    """Remove tickets and their answers from all jobs, waiting, running or finished; how many.

    A job that was sent for the customer goes altogether. In any other the lines of the tickets are
    overwritten, in a copy that takes the place of the file in one step, and their answers become
    the problem `erased`. A line that is not JSON goes if the id stands in it anywhere. A file
    that is still being sent counts as sent afterwards.

    Parameters
    ----------
    tickets : the ids meant: the erased ticket's, or those known of the customer

    Raises
    ------
    StoreError
        If the disk fails: erase again.
    """
    meant = _Meant(tickets)
    try:
        jobs.tidy()
        return sum(_erase_in(jobs, state.id, erasure, meant) for state in jobs.all())
    except OSError as error:
        raise StoreError(f"the files of jobs cannot be rewritten: {error.strerror}") from error


class _Meant:
    """Tells lines that are to go."""

    def __init__(self, tickets: Collection[str]) -> None:
        self._tickets = frozenset(tickets)
        self._written = [
            json.dumps(ticket, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
            for ticket in self._tickets
        ]

    def ticket(self, line: bytes) -> bool:
        if is_erased_ticket(line) or not self._may_hold(line):
            return False
        try:
            return read_ticket_id(line) in self._tickets
        except ValueError:
            return self._holds(line)

    def answer(self, line: bytes) -> bool:
        if not self._may_hold(line):
            return False
        told = read_answer(line)
        if told is None:
            return self._holds(line)
        return (told.get("prediction") or {}).get("ticket_id") in self._tickets

    def _may_hold(self, line: bytes) -> bool:
        # JSON writes a character in several ways, all but one of which begin with a backslash.
        return b"\\" in line or len(self._written) > _FEW or self._holds(line)

    def _holds(self, line: bytes) -> bool:
        return any(written in line for written in self._written)


def _erase_in(jobs: Jobs, job: str, erasure: Erasure, meant: _Meant) -> int:
    with jobs.still(job) as there:
        state = jobs.find(job) if there else None
        if state is None:
            return 0
        whole = erasure.customer is not None and erasure.customer == state.customer
        if not whole:
            folder = jobs.root / job
            tickets = _overwrite(folder / INPUT, meant.ticket, erase_ticket)
            answers = _overwrite(folder / OUTPUT, meant.answer, erase_answer)
            if answers:
                errors = count_errors(folder / OUTPUT, state.done)
                jobs.write_still(state.model_copy(update={"errors": errors}))
            return len(tickets | answers)
    jobs.remove(job)
    return state.tickets


def _overwrite(
    file: Path, meant: Callable[[bytes], bool], erased: Callable[[bytes], bytes]
) -> set[int]:
    """Replace lines of a file by others of the same length; which those were, from 0."""
    try:
        with file.open("rb") as lines:
            gone = {number for number, line in enumerate(lines) if meant(line)}
    except FileNotFoundError:  # the job has ended
        return set()
    if not gone:
        return gone
    partial = file.with_name(f".{uuid4().hex[:12]}.{file.name}")
    try:
        with file.open("rb") as lines, partial.open("xb") as copy:
            for number, line in enumerate(lines):
                copy.write(erased(line) if number in gone else line)
            copy.flush()
            os.fsync(copy.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(file.parent)
    return gone
