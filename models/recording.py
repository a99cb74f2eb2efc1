"""Runs in MLflow: where they are recorded, and under which names.

Only the client is used, never MLflow's active run, so that nothing here is global. Importing MLflow
takes two seconds, so that it is imported where it is first needed.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "ticket-assistant"


def tracking_uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI, else a SQLite file in the repository.

    A DVC experiment in its own copy of the repository (`dvc exp run --temp` or `--queue`) records
    into the repository it was started from: the copy is deleted with it.
    """
    default = f"sqlite:///{_home(root) / 'mlflow.db'}"
    return os.environ.get("MLFLOW_TRACKING_URI") or default


def connect(root: Path) -> "tuple[MlflowClient, str]":
    """A client of the tracking server, and the id of our experiment there, made where missing.

    Its name is MLFLOW_EXPERIMENT_NAME or `ticket-assistant`. Beside a database the artefacts go to
    mlartifacts/ in the repository; a tracking server puts them where it pleases.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    uri = tracking_uri(root)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    if found := client.get_experiment_by_name(name):
        return client, str(found.experiment_id)
    is_server = urlsplit(uri).scheme in {"http", "https", "databricks"}
    place = None if is_server else (_home(root) / "mlartifacts").as_uri()
    try:
        return client, str(client.create_experiment(name, artifact_location=place))
    except MlflowException:
        # Another stage was faster.
        if found := client.get_experiment_by_name(name):
            return client, str(found.experiment_id)
        raise


def log_params(client: "MlflowClient", run: str, params: Mapping[str, Any]) -> None:
    """Log nested params under dotted names, long values cut where MLflow would refuse them."""
    from mlflow.entities import Param
    from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

    client.log_batch(
        run,
        params=[
            Param(_name(key), str(value)[:MAX_PARAM_VAL_LENGTH]) for key, value in _leaves(params)
        ],
    )


def log_metrics(
    client: "MlflowClient", run: str, metrics: Mapping[str, float], step: int = 0
) -> None:
    """Log metrics of one step, as many as there are."""
    from mlflow.entities import Metric
    from mlflow.utils.time import get_current_time_millis
    from mlflow.utils.validation import MAX_METRICS_PER_BATCH

    now = get_current_time_millis()
    rows = [Metric(_name(key), float(value), now, step) for key, value in metrics.items()]
    for start in range(0, len(rows), MAX_METRICS_PER_BATCH):
        client.log_batch(run, metrics=rows[start : start + MAX_METRICS_PER_BATCH])


def numbers(nested: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a nested mapping under dotted names; intervals as `.0` and `.1`."""
    return {
        key: float(value)
        for key, value in _leaves(nested, lists=True)
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _leaves(
    nested: Mapping[str, Any], prefix: str = "", *, lists: bool = False
) -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        listed = lists and isinstance(value, list | tuple)
        inner = {str(i): item for i, item in enumerate(value)} if listed else value
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{prefix}{key}.", lists=lists)
        else:
            yield f"{prefix}{key}", inner


def _name(key: str) -> str:
    # What MLflow allows in a name; labels may hold anything.
    return re.sub(r"[^/\w.\- ]", "_", key)[:250]


def _home(root: Path) -> Path:
    root = root.resolve()
    parts = root.parts
    for i in range(len(parts) - 2):
        if parts[i : i + 3] == (".dvc", "tmp", "exps"):
            return Path(*parts[:i])
    return root
