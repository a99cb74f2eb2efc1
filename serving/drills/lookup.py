"""What of all that was acknowledged is still there: in the store, or in the spool."""

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Column, Engine, select

from data.errors import StoreError
from data.sql_engine import open_engine, reading
from data.sql_tables import feedback, predictions
from serving.drills.ledger import Ledger
from serving.spool import OPEN, SEALED
from serving.spool_files import split

LOOK_EVERY = 0.5
AT_ONCE = 500
"""Keys of one question."""


class Missing(NamedTuple):
    """What was acknowledged and is nowhere."""

    predictions: frozenset[str]
    feedback: frozenset[str]

    @property
    def number(self) -> int:
        """Records of either kind."""
        return len(self.predictions) + len(self.feedback)


@dataclass(frozen=True)
class Kept:
    """Where a service keeps what it acknowledges."""

    store: str
    spool: Path

    def missing(self, ledger: Ledger) -> Missing:
        """What is neither in the store nor in the spool.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        engine = open_engine(self.store)
        try:
            told = [one.id for one in ledger.predictions]
            said = [one.key for one in ledger.feedback]
            waiting = self.spooled()
            return Missing(
                frozenset(told) - _there(engine, predictions.c.id, told),
                frozenset(said) - _there(engine, feedback.c.key, said) - waiting,
            )
        finally:
            engine.dispose()

    def spooled(self) -> set[str]:
        """Keys of the feedback that waits on disk."""
        keys: set[str] = set()
        for suffix in (OPEN, SEALED):
            for file in sorted(self.spool.glob(f"*{suffix}")):
                with suppress(FileNotFoundError):  # handed over meanwhile
                    keys |= {row.key for row in split(file.read_bytes()).rows}
        return keys

    def behind(self, ledger: Ledger) -> float:
        """Seconds since the oldest prediction was told that the store has not yet; 0 without one.

        A store that does not answer, as it has no tables yet, has none.
        """
        now = time.monotonic()
        try:
            missing = self.missing(ledger).predictions
        except StoreError:
            missing = frozenset(one.id for one in ledger.predictions)
        return max((now - one.told for one in ledger.predictions if one.id in missing), default=0.0)

    def settle(self, ledger: Ledger, may_lose: Collection[str], patience: float) -> Missing:
        """Wait until all is in the store, save what may be lost; what is missing in the end.

        Raises
        ------
        StoreError
            If the store does not answer until then.
        """
        until = time.monotonic() + patience
        while time.monotonic() < until:
            with suppress(StoreError):
                missing = self.missing(ledger)
                whole = not missing.feedback and missing.predictions <= set(may_lose)
                if whole and not self.spooled():
                    return missing
            time.sleep(LOOK_EVERY)
        return self.missing(ledger)


def _there(engine: Engine, column: "Column[str]", keys: Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    with reading(engine) as connection:
        for begin in range(0, len(keys), AT_ONCE):
            some = keys[begin : begin + AT_ONCE]
            found.update(connection.scalars(select(column).where(column.in_(some))))
    return frozenset(found)
