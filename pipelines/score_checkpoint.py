"""Where an interrupted scoring goes on: what stands beside the output, and what it was made of."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from data.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """How much of the partial file stands: rows, those in error, bytes; and what made it."""

    made_of: dict[str, str]
    rows: int = 0
    errors: int = 0
    bytes: int = 0


def partial_of(output: Path) -> Path:
    """Where rows stand until all are there."""
    return output.with_name(f".{output.name}.partial")


def checkpoint_of(output: Path) -> Path:
    """Where it is told how much of the partial file is safe."""
    return output.with_name(f".{output.name}.checkpoint.json")


def find_checkpoint(output: Path, made_of: dict[str, str]) -> Checkpoint:
    """Where to go on: at the beginning unless a former run was made of the same."""
    try:
        found = Checkpoint(**json.loads(checkpoint_of(output).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Checkpoint(made_of)
    except (ValueError, TypeError):
        logger.warning("the checkpoint of %s cannot be read: all is scored anew", output.name)
        return Checkpoint(made_of)
    other = [key for key, value in made_of.items() if found.made_of.get(key) != value]
    partial = partial_of(output)
    if not other and partial.is_file() and partial.stat().st_size >= found.bytes:
        logger.info("%s: goes on behind row %d", output.name, found.rows)
        return found
    why = f"another {' and '.join(other)}" if other else "its partial file is gone"
    logger.warning("%s was interrupted, but now there is %s: all is scored anew", output.name, why)
    return Checkpoint(made_of)


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Keep other runs from the same output."""
    place = output.with_name(f".{output.name}.lock")
    lock = FileLock(place)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(f"{output.name} is being written by another run") from None
    try:
        yield
    finally:
        place.unlink(missing_ok=True)  # while it is ours
        lock.release()
