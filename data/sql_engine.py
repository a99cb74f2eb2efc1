"""Connections to SQLite or PostgreSQL, whole transactions, and what goes wrong with them."""

import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pg8000  # type: ignore[import-untyped]
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from data.errors import StoreError

BUSY_SECONDS = 30
"""How long a writer of SQLite waits for the others."""

SOCKET_SECONDS = 60
"""How long PostgreSQL may be silent; `?timeout=` in the URL says otherwise."""

POOL = 5
OVERFLOW = 15
"""Connections kept, and opened beyond that while they are asked for; of one process."""


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Of PostgreSQL, `?sslmode=` is understood: disable, prefer (the default), require, verify-full;
    `?unix_sock=` names a socket. Nothing is connected yet; the folder of a SQLite file is made.

    Raises
    ------
    StoreError
        If the URL is of neither kind.
    """
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        raise StoreError("the address of the store is no URL such as sqlite:///FILE") from None
    engine = parsed.get_backend_name()
    if engine == "sqlite":
        return _open_sqlite(parsed)
    if engine in {"postgresql", "postgres"}:
        return _open_postgres(parsed)
    raise StoreError(f"a store is kept in sqlite or postgresql, not in {engine!r}")


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreError("the address of the store names no file: sqlite:///FILE is expected")
    with told(url):
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        hide_parameters=True,
        pool_size=POOL,
        max_overflow=OVERFLOW,
        connect_args={"timeout": BUSY_SECONDS},
    )
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, so that writers queue up at it
    _use_wal(connection)
    # FULL: what was committed survives a power cut too. secure_delete: erased text is overwritten.
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: Any) -> None:
    # Several processes that open a new file at once get SQLITE_BUSY here without any waiting.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except connection.OperationalError as error:
            busy = str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_BUSY")
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgres(url: URL) -> Engine:
    query = dict(url.query)
    mode = query.pop("sslmode", "prefer")
    contexts = {"disable": False, "prefer": None, "require": True, "verify-full": _verify}
    if mode not in contexts:
        raise StoreError(f"sslmode {mode!r} is none of {', '.join(contexts)}")
    context = contexts[str(mode)]
    timeout = float(str(query.pop("timeout", SOCKET_SECONDS)))
    engine = create_engine(
        url.set(drivername="postgresql+pg8000", query=query),
        hide_parameters=True,
        pool_size=POOL,
        max_overflow=OVERFLOW,
        connect_args={
            "ssl_context": context() if context is _verify else context,
            "timeout": timeout,
            "application_name": "ticket-assistant",
        },
    )
    event.listen(engine, "checkout", _require_alive)
    return engine


def _require_alive(connection: Any, record: object, proxy: object) -> None:
    # Not pool_pre_ping: it passes on the errors of sockets, which pg8000 leaves as they are.
    try:
        connection.cursor().execute("SELECT 1")
        connection.rollback()
    except (pg8000.Error, OSError):
        raise DisconnectionError from None


def _verify() -> ssl.SSLContext:
    return ssl.create_default_context()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that reads; everything in it sees the same state."""
    isolation = {"isolation_level": "REPEATABLE READ"} if is_postgres(engine) else {}
    with told(engine.url), engine.connect() as connection:
        connection.execution_options(**isolation)
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine, *, alone: bool = False) -> Iterator[Connection]:
    """A transaction that writes, on disk when the block ends well.

    Parameters
    ----------
    alone : whether no other writer may be at work; in SQLite none ever is
    """
    with told(engine.url), engine.connect() as connection:
        connection.execution_options(writes=True)
        with connection.begin():
            if is_postgres(engine):
                shared = "" if alone else "_shared"
                connection.execute(text(f"SELECT pg_advisory_xact_lock{shared}({_LOCK})"))
            yield connection


_LOCK = 7_461_236_901
"""Of PostgreSQL's advisory locks, the one all writers of a store take; any number would do."""


def is_postgres(engine: Engine) -> bool:
    """Whether the engine speaks to PostgreSQL, not to SQLite."""
    return engine.dialect.name == "postgresql"


def shrink(engine: Engine) -> None:
    """Take what was deleted out of SQLite's journal; a reader at work puts that off."""
    if not is_postgres(engine):
        with told(engine.url), closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def told(url: URL) -> Iterator[None]:
    """Tell what the engine complains of as StoreError; its own words may quote a ticket."""
    try:
        yield
    except PoolTimeout:
        raise StoreError(
            f"{where(url)}: all {POOL + OVERFLOW} connections are in use; ask again later"
        ) from None
    except DBAPIError as error:
        raise StoreError(f"{where(url)}: {_complaint(error.orig)}") from None
    except ConnectionError as error:
        raise StoreError(f"{where(url)}: {_complaint(error)}") from None
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(f"{where(url)}: {type(error).__name__}") from None


def where(url: URL) -> str:
    """The store's address without user and password."""
    bare = URL.create(url.get_backend_name(), None, None, url.host, url.port, url.database)
    return f"the store {bare.render_as_string()}"


def _complaint(error: BaseException | None) -> str:
    name = getattr(error, "sqlite_errorname", None)
    if name:
        return str(name)
    given = error.args[0] if error is not None and error.args else None
    if isinstance(given, dict) and "C" in given:
        return f"SQLSTATE {given['C']}"
    return f"it cannot be reached ({type(error).__name__})"
