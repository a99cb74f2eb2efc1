"""Single lines of a job's files: tickets as they were sent, answers, and what was erased of both.

An erased line keeps its length, so that every other line stays where it was: of a ticket blanks
remain, which no line that was sent consists of, and of an answer the problem `erased`.
"""

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

from serving.each import Answered
from serving.problems import erased_problem


def erase_ticket(line: bytes) -> bytes:
    """Blanks in the place of a ticket."""
    return line[:-1].translate(_BLANK) + line[-1:].translate(_BLANK_BUT_BREAK)


def is_erased_ticket(line: bytes) -> bool:
    """Whether a ticket stood in this line."""
    return not line.strip()


def erase_answer(line: bytes) -> bytes:
    """The problem `erased` in the place of a prediction; blanks in that of half a line."""
    told = read_answer(line)
    if told is None:
        return erase_ticket(line)
    problem = Answered(index=told["index"], problem=erased_problem())
    return problem.model_dump_json().encode().ljust(len(line) - 1) + b"\n"


def read_ticket_id(line: bytes) -> str | None:
    """The id of a ticket; None where it has none, or the line is no JSON.

    Raises
    ------
    ValueError
        If the line is no JSON object.
    """
    value = _read(line)
    if value is None:
        raise ValueError("no JSON object")
    return None if value.get("id") is None else str(value["id"])


def read_answer(line: bytes) -> dict[str, Any] | None:
    """A whole line of answers; None of any other."""
    told = _read(line) if line.endswith(b"\n") else None
    return told if told is not None and isinstance(told.get("index"), int) else None


def error_of(line: bytes, index: int) -> int | None:
    """1 where a whole line of answers tells a problem, 0 for a prediction; None of any other."""
    told = read_answer(line)
    if told is None or told["index"] != index:
        return None
    return int(told.get("problem") is not None)


def count_errors(file: Path, answers: int) -> int:
    """How many of the first answers of a file are problems."""
    with file.open("rb") as lines:
        found = (error_of(line, index) for index, line in zip(range(answers), lines, strict=False))
        return sum(error for error in takewhile(lambda error: error is not None, found) if error)


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_BLANK = b" " * 256
_BLANK_BUT_BREAK = bytes(byte if byte == 10 else 32 for byte in range(256))
