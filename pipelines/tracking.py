"""Who tracks a stage in MLflow, so that it costs the stage neither its result nor its time.

To import MLflow and to open its database takes as long as a short stage. So a process beside the
stage does it, started with the stage and waited for at its end.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from pipelines import tracked_run

logger = logging.getLogger(__name__)

PATIENCE = 300.0
"""Seconds that a stage waits at its end for what is still to be tracked."""


class Tracker(Protocol):
    """One run, as a stage tells of itself; nothing here raises."""

    @property
    def run_id(self) -> str | None:
        """Id of the MLflow run; None where there is none."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Nested params, under dotted names."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Metrics of one step."""

    def log_file(self, path: Path) -> None:
        """A file among the artefacts, under its own name; it is there until `end` returns."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags, replacing those of the same names."""

    def end(self, status: str) -> None:
        """Close the run as FINISHED, FAILED or KILLED."""


class TrackerProcess:
    """A Tracker that tells another process, in order, and goes on at once.

    A process that is gone is reported once, and costs the stage nothing else. It outlives a stage
    that is killed, to close its run.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin and process.stdout
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._lost = False
        self._answered = False
        self._run_id: str | None = None

    @classmethod
    def start(cls, root: Path, name: str, tags: Mapping[str, str]) -> Self | None:
        """Start the process and have it open a run; None, after saying why, if it cannot be."""
        code = str(Path(__file__).resolve().parent.parent)
        known = os.environ.get("PYTHONPATH")
        path = f"{code}{os.pathsep}{known}" if known else code
        try:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", tracked_run.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                bufsize=1,
                env={**os.environ, "PYTHONPATH": path},
                # A key that interrupts the stage must not interrupt who is to tell of it.
                start_new_session=True,
            )
        except OSError as error:
            logger.error("this run is not tracked: %s: %s", type(error).__name__, error)
            return None
        tracker = cls(process)
        named = {"mlflow.source.name": sys.argv[0], **tags}
        started = round(1000 * time.time())
        tracker._tell("open", root=str(root), name=name, tags=named, started=started)
        return tracker

    @property
    def run_id(self) -> str | None:
        """Waited for where the run is not open yet."""
        self._read_answer()
        return self._run_id

    def log_params(self, params: Mapping[str, Any]) -> None:
        self._tell("params", params=params)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        told = {name: float(value) for name, value in metrics.items()}
        self._tell("metrics", metrics=told, step=step)

    def log_file(self, path: Path) -> None:
        self._tell("file", path=str(path.resolve()))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._tell("tags", tags=tags)

    def end(self, status: str) -> None:
        """Close the run as `status`, and wait until everything is tracked."""
        self._tell("end", status=status)
        with contextlib.suppress(OSError):  # its exit status tells that it is gone
            self._stdin.close()
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code:
            self._lose(f"its process ended with status {code}")
        with self._stdout:
            self._read_answer()

    def _read_answer(self) -> None:
        if not self._answered:
            self._answered = True
            answer = self._stdout.readline()
            self._run_id = json.loads(answer) if answer else None

    def _tell(self, what: str, **facts: Any) -> None:
        if self._lost:
            return
        try:
            # As text where JSON has no form for it: MLflow keeps params and tags as text.
            self._stdin.write(json.dumps({"what": what, **facts}, default=str) + "\n")
        except OSError as error:
            self._lose(f"{type(error).__name__}: {error}")

    def _lose(self, reason: str) -> None:
        if not self._lost:
            self._lost = True
            logger.error("tracking of this run is lost: %s", reason)


def start_tracking(root: Path, name: str, tags: Mapping[str, str]) -> Tracker | None:
    """Start a run, or say why there is none; None too where TICKETS_TRACKING is off.

    A process that has imported MLflow already tracks by itself.
    """
    if os.environ.get("TICKETS_TRACKING", "on").lower() in {"off", "0", "false", "no"}:
        return None
    if "mlflow" in sys.modules:
        return tracked_run.open_run(root, name, tags)
    return TrackerProcess.start(root, name, tags)
