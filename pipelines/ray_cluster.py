"""A Ray cluster: the one there is, or one of this machine alone for as long as it is needed."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.data import DataContext
from ray.exceptions import RayError

from data.errors import ModelError
from data.machine import usable_cores
from pipelines.environment import SWITCHES

OBJECT_STORE = 100 * 2**20
"""Bytes of a local cluster's shared memory; only numbers of parts pass through it."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def cluster(address: str | None = None, processors: int | None = None) -> Iterator[None]:
    """A connection to a cluster; one that was open before is used, and left open.

    Parameters
    ----------
    processors : of a cluster that is started here; those of this machine where left out

    Raises
    ------
    ModelError
        If it cannot be reached or started.
    """
    if ray.is_initialized():
        yield
        return
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    own: dict[str, Any] = {
        "num_cpus": processors or usable_cores(),
        "object_store_memory": OBJECT_STORE,
        "include_dashboard": False,
    }
    try:
        ray.init(
            where,
            log_to_driver=False,
            logging_level=logging.WARNING,
            runtime_env={"env_vars": {**SWITCHES, **ONE_THREAD, "PYTHONPATH": path}},
            **(own if where == "local" else {}),
        )
    except (ConnectionError, RayError, ValueError) as error:
        raise ModelError(f"the cluster {where} cannot be used: {error}") from error
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    try:
        yield
    finally:
        ray.shutdown()
