"""The state of a replay: what was played so far, from which it goes on."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from data.errors import DataError
from evaluation.replay_records import MonthsPlayed

T = TypeVar("T", bound=MonthsPlayed)


def read_state(state: Path, fresh: T) -> T:
    """What was done before, or `fresh` where nothing was.

    Raises
    ------
    DataError
        If the file is of another replay, or none.
    """
    try:
        found = type(fresh).model_validate_json(state.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return fresh
    except ValidationError as error:
        raise DataError(f"{state} is no state of a replay: {error.errors()[0]['msg']}") from None
    if (found.scenario, found.planned, found.first) != (
        fresh.scenario, fresh.planned, fresh.first,
    ):  # fmt: skip
        raise DataError(f"{state} is of another replay: delete {state.parent}, or ask for --fresh")
    return found
