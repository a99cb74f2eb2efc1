"""What `dvc repro` does, stage by stage: what ran, what was reused, and what each took."""

import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from pydantic import Field

from data.errors import DataError
from data.schema import NonEmpty, Record

State = Literal["ran", "reused", "restored", "failed"]
"""`reused`: nothing it reads has changed. `restored`: it ran on this before, from DVC's cache."""

_LINES: tuple[tuple[State, re.Pattern[str]], ...] = (
    ("reused", re.compile(r"^Stage '([^']+)' didn't change, skipping")),
    ("restored", re.compile(r"^Stage '([^']+)' is cached - skipping run")),
    ("ran", re.compile(r"^Running stage '([^']+)'")),
)


class StageDone(Record):
    """One stage of a run."""

    stage: NonEmpty
    state: State
    seconds: float = Field(ge=0, description="until the next stage was taken up")


def reproduce(
    show: Callable[[str], object], command: tuple[str, ...] = ("dvc", "repro")
) -> Iterator[str]:
    """The lines of `dvc repro` as they come, each shown first.

    Raises
    ------
    DataError
        If it ends with an error; what it said was shown.
    """
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            show(line)
            yield line.rstrip("\n")
    if process.returncode:
        raise DataError(
            f"{' '.join(command)} ended with {process.returncode}: mend what it says above and "
            "start again; stages that are done are not done twice"
        )


def follow(
    lines: Iterable[str], done: list[StageDone], clock: Callable[[], float] = time.monotonic
) -> None:
    """Note each stage in `done` while the lines come, also where they end with an error."""
    current: tuple[str, State, float] | None = None
    failed = True
    try:
        for line in lines:
            found = _read(line)
            if found:
                _close(current, clock(), done)
                current = (*found, clock())
        failed = False
    finally:
        if failed and current and current[1] == "ran":
            current = (current[0], "failed", current[2])
        _close(current, clock(), done)


def render_stages(done: Iterable[StageDone]) -> str:
    """A table of the stages, and how much of the time was spent on what."""
    rows = list(done)
    lines = [f"{'stage':24}{'state':>10}{'seconds':>10}"]
    lines += [f"{row.stage:24}{row.state:>10}{row.seconds:>10.1f}" for row in rows]
    kept = sum(row.state in {"reused", "restored"} for row in rows)
    lines.append(f"{kept} of {len(rows)} stages were not run again")
    return "\n".join(lines)


def _read(line: str) -> tuple[str, State] | None:
    for state, pattern in _LINES:
        if match := pattern.match(line):
            return match[1], state
    return None


def _close(current: tuple[str, State, float] | None, now: float, done: list[StageDone]) -> None:
    if current:
        name, state, began = current
        done.append(StageDone(stage=name, state=state, seconds=round(max(0.0, now - began), 1)))
