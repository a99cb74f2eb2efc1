"""What must hold before a stage starts: no telemetry, one seed, sane threads, one log format."""

import logging
import os
import random
import sys
from types import TracebackType
from typing import get_args

from data.correlation import find_correlation
from data.log_lines import JsonFormatter, LogFormat
from data.machine import usable_cores

logger = logging.getLogger(__name__)

OURS = ("data", "models", "evaluation", "pipelines", "__main__")
"""Whose lines are told whole where they are JSON."""

TEXT = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

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
    """Log to stderr, unless logging is set up already.

    At TICKETS_LOG_LEVEL (INFO by default), as TICKETS_LOG_FORMAT says: text for people, or json,
    one object a line, which then tells of an exception that ends the command too.

    Raises
    ------
    SystemExit
        If either is set to what it cannot be; its text is for standard error.
    """
    level = os.environ.get("TICKETS_LOG_LEVEL") or "INFO"
    if level.upper() not in logging.getLevelNamesMapping():
        sys.exit(f"TICKETS_LOG_LEVEL: {level!r} is none of DEBUG, INFO, WARNING, ERROR, CRITICAL")
    log_format = os.environ.get("TICKETS_LOG_FORMAT") or "text"
    if log_format not in get_args(LogFormat):
        sys.exit(f"TICKETS_LOG_FORMAT: {log_format!r} is none of {', '.join(get_args(LogFormat))}")
    lines = logging.StreamHandler()
    lines.setFormatter(make_formatter() if log_format == "json" else TEXT)
    logging.basicConfig(level=level.upper(), handlers=[lines])
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    if log_format == "json":
        sys.excepthook = log_last_error


def make_formatter() -> JsonFormatter:
    """JSON lines that say which command they are of, and the name that it was given."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    command = {} if spec is None else {"command": str(spec.name)}
    return JsonFormatter(OURS, find_correlation, **command)


def log_last_error(
    kind: type[BaseException], error: BaseException, place: TracebackType | None
) -> None:
    """Tell of what ends the command as a line of the log; a `sys.excepthook`."""
    logger.critical("ended by %s", kind.__qualname__, exc_info=(kind, error, place))
