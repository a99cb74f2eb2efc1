"""Commands of a workspace, each in a process of its own that has its imports behind it.

    python -m pipelines.replay_commands          # in the workspace; one request a line

A replay asks for hundreds of commands, and to import what they need takes each longer than its
work. This process imports it once and forks for every command: `python -m pipelines.<name>` with
its arguments, environment and exit status, in the same folder.
"""

import contextlib
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from data.errors import DataError
from data.schema import Record

WARM = ("models.bundle", "models.registry", "evaluation.drift", "evaluation.live", "mlflow",
        "pipelines.params", "pipelines.tracking")  # fmt: skip
"""Imported once; none of them is a command, which must run as the main module."""


class Asked(Record):
    """One command; what it says goes into two files."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    said: str
    warned: str


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    said: str
    warned: str


class Commands:
    """The other side of the pipe: runs one command after the other.

    Parameters
    ----------
    root : the workspace
    environment : of the process that forks; a command has its own
    """

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._lock = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.replay_commands"], cwd=root, env=dict(environment),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
        """Run one command to its end.

        Raises
        ------
        DataError
            If the process that forks is gone.
        """
        with self._lock:
            places = [self._root / f".command-{id(self)}.{part}" for part in ("said", "warned")]
            asked = Asked(
                name=name, arguments=tuple(arguments), environment=dict(environment),
                said=str(places[0]), warned=str(places[1]),
            )  # fmt: skip
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            try:
                self._process.stdin.write(asked.model_dump_json() + "\n")
                self._process.stdin.flush()
                code = int(self._process.stdout.readline())
            except (OSError, ValueError):
                raise DataError(f"commands cannot be run in {self._root} any more") from None
            return Ended(code, *(place.read_text(encoding="utf-8") for place in places))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()


def serve(lines: Iterator[str]) -> Iterator[int]:
    """The exit status of the command of each line, as it ends."""
    for line in lines:
        asked = Asked.model_validate_json(line)
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            for number, place in ((1, asked.said), (2, asked.warned)):
                os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            os.environ.clear()
            os.environ.update(asked.environment)
            os._exit(execute(asked.name, asked.arguments))
        yield os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def execute(name: str, arguments: Sequence[str]) -> int:
    """Run a command as if Python had been started for it; gives its exit status."""
    sys.argv = [name, *arguments]
    code: object = None
    try:
        runpy.run_module(f"pipelines.{name}", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except Exception:  # noqa: BLE001 - the outermost edge of the command
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


def main() -> None:
    for name in WARM:
        import_module(name)
    for code in serve(iter(sys.stdin)):
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
