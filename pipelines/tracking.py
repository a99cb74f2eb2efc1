"""A run in MLflow that never costs a stage its result."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)


class Tracker:
    """One MLflow run.

    The files a stage writes are its result and the run is a record of it, so a tracking server
    that fails is reported once, loudly, and from then on left alone.
    """

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self.client = client
        self.run_id = run_id
        self._lost = False

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Nested params, under dotted names."""
        self._tell(recording.log_params, self.client, self.run_id, params)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Metrics of one step."""
        self._tell(recording.log_metrics, self.client, self.run_id, metrics, step)

    def log_figure(self, figure: "Figure", name: str) -> None:
        """A figure among the artefacts; the suffix of `name` gives its type."""
        self._tell(self.client.log_figure, self.run_id, figure, name)

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


def start_tracking(root: Path, name: str, tags: Mapping[str, str]) -> Tracker | None:
    """Start a run, or say why there is none; None too where TICKETS_TRACKING is off."""
    if os.environ.get("TICKETS_TRACKING", "on").lower() in {"off", "0", "false", "no"}:
        return None
    # A server that is away costs seconds, not the minutes that MLflow tries by default.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow.exceptions import MlflowException
    from mlflow.tracking.context.registry import resolve_tags

    try:
        client, experiment = recording.connect(root)
        run = client.create_run(experiment, run_name=name, tags=resolve_tags(dict(tags)))
    except (MlflowException, OSError) as error:
        logger.error("this run is not tracked: %s: %s", type(error).__name__, error)
        return None
    return Tracker(client, run.info.run_id)
