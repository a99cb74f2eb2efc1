"""Who delivers: of all processes that share a store, one at a time.

The system lets go of the lock when that process ends, however it ends: in SQLite a lock on a file
beside the database, in PostgreSQL a lock of the session, which ends with its connection.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from data.errors import LockedError, StoreError
from data.locks import exclusive
from data.sql_engine import is_postgres, told

NAME = "webhooks"

_KEYS = "74612369, 1000"
"""Of PostgreSQL's advisory locks; those of predictions have smaller second numbers."""

Check = Callable[[], None]
"""Raises StoreError when the lead was lost."""


@contextmanager
def leading(engine: Engine) -> Iterator[Check]:
    """Deliver alone while the block runs; ask the check before each piece of work.

    Raises
    ------
    LockedError
        At once, if another process delivers.
    StoreError
        If the store cannot be reached.
    """
    if is_postgres(engine):
        with _leading_postgres(engine) as check:
            yield check
    else:
        with exclusive(NAME, Path(str(engine.url.database)).resolve().parent / "locks"):
            yield lambda: None


@contextmanager
def _leading_postgres(engine: Engine) -> Iterator[Check]:
    with told(engine.url):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with told(engine.url):
            mine = connection.scalar(text(f"SELECT pg_try_advisory_lock({_KEYS})"))
        if not mine:
            raise LockedError("webhooks are delivered by another process")

        def check() -> None:
            with told(engine.url):
                held = connection.scalar(text("SELECT 1"))
            if held != 1:
                raise StoreError("the lead was lost")

        try:
            yield check
        finally:
            with told(engine.url):
                connection.execute(text(f"SELECT pg_advisory_unlock({_KEYS})"))
    finally:
        connection.invalidate()  # not back into the pool: the lock is the session's
        connection.close()
