"""A run in MLflow, and the process that keeps one for a stage.

    python -m pipelines.tracked_run          # one JSON object a line; the first opens the run

Its first line names the run; it answers once, with the id or null. Whoever writes the lines may
die: the pipe ends then, and the run ends as FAILED.
"""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from models import recording
from pipelines.environment import configure_logging, set_switches

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)


class TrackedRun:
    """One MLflow run.

    The files a stage writes are its result and the run is a record of it, so a tracking server
    that fails is reported once, loudly, and from then on left alone.
    """

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self.client = client
        self._run_id = run_id
        self._lost = False

    @property
    def run_id(self) -> str:
        """Id of the MLflow run."""
        return self._run_id

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Nested params, under dotted names."""
        self._tell(recording.log_params, self.client, self.run_id, params)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Metrics of one step."""
        self._tell(recording.log_metrics, self.client, self.run_id, metrics, step)

    def log_file(self, path: Path) -> None:
        """A file among the artefacts, under its own name."""
        self._tell(self.client.log_artifact, self.run_id, str(path))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags, replacing those of the same names."""
        from mlflow.entities import RunTag

        rows = [RunTag(key, str(value)) for key, value in tags.items()]
        self._tell(self.client.log_batch, self.run_id, tags=rows)

    def end(self, status: str) -> None:
        """Close the run as FINISHED, FAILED or KILLED."""
        self._tell(self.client.set_terminated, self.run_id, status)

    def _tell(self, call: Callable[..., object], *arguments: Any, **named: Any) -> None:
        from mlflow.exceptions import MlflowException

        if self._lost:
            return
        try:
            call(*arguments, **named)
        except (MlflowException, OSError) as error:
            self._lost = True
            logger.error("tracking of this run is lost: %s: %s", type(error).__name__, error)


def open_run(
    root: Path, name: str, tags: Mapping[str, str], started: int | None = None
) -> TrackedRun | None:
    """A new run, or None after saying why there is none.

    Parameters
    ----------
    started : when what is tracked began, in milliseconds since 1970; None: now
    """
    # A server that is away costs seconds, not the minutes that MLflow tries by default.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow.exceptions import MlflowException
    from mlflow.tracking.context.registry import resolve_tags

    try:
        client, experiment = recording.connect(root)
        run = client.create_run(experiment, started, resolve_tags(dict(tags)), name)
    except (MlflowException, OSError) as error:
        logger.error("this run is not tracked: %s: %s", type(error).__name__, error)
        return None
    return TrackedRun(client, run.info.run_id)


def serve(told: Iterable[str], answers: TextIO) -> None:
    """Open the run that the first line names, answer with its id, and track line by line."""
    lines = (json.loads(line) for line in told)
    first = next(lines, None)
    if first is None:
        return
    tracked = open_run(Path(first["root"]), first["name"], first["tags"], first["started"])
    # Who asked may be gone already; then its run is to be closed all the same.
    with contextlib.suppress(BrokenPipeError):
        answers.write(json.dumps(tracked.run_id if tracked else None) + "\n")
        answers.flush()
    status = "FAILED"
    for line in lines:  # read to the end without a run too: nobody is to write to a closed pipe
        if tracked is None:
            continue
        what = line["what"]
        if what == "params":
            tracked.log_params(line["params"])
        elif what == "metrics":
            tracked.log_metrics(line["metrics"], line["step"])
        elif what == "file":
            tracked.log_file(Path(line["path"]))
        elif what == "tags":
            tracked.set_tags(line["tags"])
        elif what == "end":
            status = line["status"]
    if tracked:
        tracked.end(status)


def main() -> None:
    set_switches()
    configure_logging()
    serve(sys.stdin, sys.stdout)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # So that Python does not try once more as it ends, and say that it failed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
