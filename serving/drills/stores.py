"""The store: away, locked, out of reach from the start, slow."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from data.sql_engine import open_engine
from data.sql_migrations import migrate
from serving.bench.systems.catalogue import HOST
from serving.drills.drill import Drill, Finding
from serving.drills.ledger import in_words
from serving.drills.postgres import Postgres, postgres
from serving.drills.proxy import SlowProxy
from serving.drills.stage import Stage, rest

AWAY = 8.0
"""Seconds without a store; feedback waits `store_timeout_seconds` (5) before it is spooled."""

LOCKED = AWAY + 5.0
"""Seconds for which SQLite is locked: whoever writes when it begins waits for most of it."""

DELAY = 1.5
"""Seconds by which a slow store is late, each way: a transaction needs several ways."""


def _spooled(stage: Stage, finding: Finding, began: float) -> None:
    """What has to be so of any store that was away."""
    ended = time.monotonic()
    slowest = stage.ledger.slowest(began, ended)
    finding.saw(
        f"{stage.ledger.spooled} feedback records spooled, slowest ticket {slowest:.2f} s, "
        f"failed: {in_words(stage.ledger.failures)}"
    )
    finding.expect(not stage.ledger.failures, f"failed: {in_words(stage.ledger.failures)}")
    finding.expect(stage.ledger.spooled > 0, "no feedback was spooled")


class OnPostgres:
    """Drills that need a PostgreSQL of their own."""

    def __init__(self) -> None:
        self.server: Postgres | None = None
        self.proxy: SlowProxy | None = None

    def prepare(self, stage: Stage) -> None:
        self.server = stage.enter(postgres())
        stage.settings["TICKETS_STORE"] = self.server.url
        _migrate(self.server.url)

    def prepare_slow(self, stage: Stage) -> None:
        server = stage.enter(postgres())
        _migrate(server.url)
        self.proxy = stage.enter(SlowProxy(server.socket))
        user = server.url.partition("@")[0]
        stage.settings["TICKETS_STORE"] = (
            f"{user}@{HOST}:{self.proxy.port}/postgres?sslmode=disable"
        )

    def stop(self, stage: Stage) -> Finding:
        """Stop PostgreSQL under load, start it again."""
        assert self.server is not None
        finding, began = Finding(), time.monotonic()
        self.server.stop()
        rest(AWAY)
        _spooled(stage, finding, began)
        self.server.start()
        return finding

    def slow(self, stage: Stage) -> Finding:
        """Delay everything that goes to PostgreSQL and comes from it."""
        assert self.proxy is not None
        finding, began = Finding(patience=60.0), time.monotonic()
        self.proxy.delay = DELAY
        rest(2 * AWAY)
        _spooled(stage, finding, began)
        self.proxy.delay = 0.0
        return finding


def _migrate(url: str) -> None:
    engine = open_engine(url)
    try:
        migrate(engine)
    finally:
        engine.dispose()


def lock_sqlite(stage: Stage) -> Finding:
    """Hold the lock that every writer of SQLite needs."""
    finding, began = Finding(), time.monotonic()
    with closing(sqlite3.connect(_file(stage), timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        rest(LOCKED)
        _spooled(stage, finding, began)
        other.execute("ROLLBACK")
    return finding


def block_file(stage: Stage) -> None:
    """Put a folder where the store's file should be."""
    _file(stage).mkdir()


def unblock_file(stage: Stage) -> Finding:
    """Take the folder away."""
    finding, began = Finding(), time.monotonic()
    rest(AWAY / 2)
    _spooled(stage, finding, began)
    _file(stage).rmdir()
    return finding


def _file(stage: Stage) -> Path:
    return Path(stage.kept.store.removeprefix("sqlite:///"))


_stopped, _slow = OnPostgres(), OnPostgres()
_PROMISE = (
    "tickets are answered as before; feedback is acknowledged once it is on disk (`spooled`) and "
    "handed over when the store is back; no request fails"
)
STORES = (
    Drill("store-stopped", f"PostgreSQL stops: {_PROMISE}", _stopped.stop, _stopped.prepare),
    Drill("store-locked", f"SQLite is locked: {_PROMISE}", lock_sqlite),
    Drill(
        "store-unreadable",
        f"SQLite's file cannot be opened from the start: {_PROMISE}",
        unblock_file,
        block_file,
    ),
    Drill("store-slow", f"PostgreSQL answers late: {_PROMISE}", _slow.slow, _slow.prepare_slow),
)
