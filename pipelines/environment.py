"""What must hold before a stage starts: no telemetry, one seed, sane threads, one log format."""

import logging
import os
import random
import sys

from data.machine import usable_cores

SWITCHES = {
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # MLflow sets up a log of its own on import, and prints an address for every run that ends.
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Threads that spin while they wait starve each other where cores are shared.
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Set unless the user has set them; spelt as each package compares them."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""How many threads the arithmetic takes; set to the cores unless the user has set them."""

QUIET = (
    *("alembic", "mlflow", "httpx", "urllib3", "matplotlib", "fontTools", "git", "fsspec"),
    "sentence_transformers",
)
"""Packages that tell at INFO what helps nobody."""


def set_switches() -> None:
    """Telemetry off, hub offline, as many threads as cores; what the user has set stays."""
    cores = str(usable_cores())
    threads = dict.fromkeys(THREADS, cores)
    for name, value in {**SWITCHES, **threads}.items():
        os.environ.setdefault(name, value)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"].split(",")[0]))


def set_seed(seed: int) -> None:
    """Seed random and numpy, and torch where it is imported; models take their own seeds."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def configure_logging() -> None:
    """Log to stderr at TICKETS_LOG_LEVEL (INFO by default), unless logging is set up already."""
    logging.basicConfig(
        level=os.environ.get("TICKETS_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
