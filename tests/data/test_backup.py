"""A backup holds the store as it was, and becomes a store again, on either engine."""

import gzip
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from data.backup import back_up
from data.errors import StoreError
from data.restore import restore
from data.sql import SqlStore, open_sql_store
from data.sql_engine import open_engine, writing
from data.sql_migrations import migrate, newest_revision
from data.store import Erasure, Event, Query
from tests.postgres import Postgres
from tests.stores import LABELS, NOON, make_feedback, make_prediction

LATER = NOON + timedelta(days=1)
ENGINES = ("sqlite", "postgresql")
PORTABLE = ("store.jsonl", "store.jsonl.gz")


def new_engine(kind: str, request: pytest.FixtureRequest, path: Path) -> Engine:
    """An engine on a database without tables."""
    if kind == "sqlite":
        return open_engine(f"sqlite:///{path}")
    server: Postgres = request.getfixturevalue("postgres")
    return open_engine(server.new_database())


def fill(engine: Engine) -> SqlStore:
    """A store with a row of every kind, and text that is hard to write down."""
    migrate(engine)
    store = open_sql_store(engine.url.render_as_string(hide_password=False))
    store.know_bundle("bundle-1", LABELS)
    hard = {"text": "\0\x1a0 ü🙂\n\u2028", "cost": {"category": 0.1}}
    rows = [make_prediction(n, ticket_id=f"t\0{n}", **hard) for n in range(1200)]
    store.add_predictions(rows)
    store.add_feedback([make_feedback(f"k\0{n}", n) for n in range(0, 1300, 100)])
    for n in range(3):
        store.log(Event(at=LATER, actor="a", action="publish", subject=str(n), detail={"n": n}))
    store.erase(Erasure(ticket_id="t\x007"), "operator", LATER)
    store.ping()
    return store


@pytest.fixture(params=ENGINES)
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    engine = new_engine(request.param, request, tmp_path / "filled.db")
    store = fill(engine)
    engine.dispose()
    yield store
    store.close()


@pytest.fixture(params=ENGINES)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = new_engine(request.param, request, tmp_path / "empty.db")
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqlStore]:
    engine = open_engine(f"sqlite:///{tmp_path}/filled.db")
    store = fill(engine)
    engine.dispose()
    yield store
    store.close()


def assert_same(one: SqlStore, other: SqlStore) -> None:
    """Both hold the same facts, and know the same people to be erased."""
    assert list(one.stream(Query())) == list(other.stream(Query()))
    assert one.events() == other.events()
    assert one.to_review(limit=2000) == other.to_review(limit=2000)
    assert other.is_erased(ticket_id="t\x007")
    assert not other.is_erased(ticket_id="t\x008")


def assert_alive(store: SqlStore) -> None:
    """It can be gone on with: numbers, statuses and refusals are what they were."""
    store.log(Event(at=LATER, actor="a", action="after", subject="1"))
    assert store.events(limit=1)[0].action == "after"
    store.add_predictions([make_prediction(7, ticket_id="t\x007")])
    assert store.find(make_prediction(7).id) is None
    store.add_predictions([make_prediction(1200)])
    found = store.find(make_prediction(1200).id)
    assert found
    assert [given.status for given in found.feedback] == ["accepted"]


@pytest.mark.parametrize("name", PORTABLE)
def test_a_portable_backup_becomes_the_same_store_on_either_engine(
    filled: SqlStore, empty: Engine, tmp_path: Path, name: str
) -> None:
    counts = back_up(filled.engine, tmp_path / name)
    assert counts["predictions"] == 1199
    assert restore(tmp_path / name, empty) == counts
    restored = open_sql_store(empty.url.render_as_string(hide_password=False))
    assert_same(filled, restored)
    assert_alive(restored)
    restored.close()


def test_a_copy_of_sqlite_becomes_the_same_store(sqlite: SqlStore, tmp_path: Path) -> None:
    counts = back_up(sqlite.engine, tmp_path / "copy.db")
    assert counts["predictions"] == 1199
    target = f"sqlite:///{tmp_path}/restored.db"
    open_sql_store(target).close()
    engine = open_engine(target)
    assert restore(tmp_path / "copy.db", engine) == counts
    engine.dispose()
    restored = open_sql_store(target)
    assert_same(sqlite, restored)
    assert_alive(restored)
    restored.close()
    assert {path.name for path in tmp_path.iterdir()} >= {"copy.db"}
    assert not list(tmp_path.glob("copy.db-*"))


@pytest.mark.parametrize("name", [*PORTABLE, "copy.db"])
def test_a_backup_made_while_others_write_holds_whole_batches(
    sqlite: SqlStore, tmp_path: Path, name: str
) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 10_000
        while not stop.is_set():
            sqlite.add_predictions([make_prediction(number + n) for n in range(10)])
            sqlite.add_feedback([make_feedback(f"w{number + n}", number + n) for n in range(10)])
            number += 10

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = back_up(sqlite.engine, tmp_path / name)
    finally:
        stop.set()
        writer.join()
    engine = open_engine(f"sqlite:///{tmp_path}/restored.db")
    assert restore(tmp_path / name, engine) == counts
    engine.dispose()
    assert (counts["predictions"] - 1199) % 10 == 0
    assert counts["prediction_targets"] == 2 * counts["predictions"]


def test_a_portable_backup_takes_no_more_memory_for_more_rows(
    sqlite: SqlStore, tmp_path: Path
) -> None:
    peaks = []
    for part in range(2):
        tracemalloc.start()
        back_up(sqlite.engine, tmp_path / "store.jsonl")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        if not part:
            sqlite.add_predictions([make_prediction(n) for n in range(2000, 8000)])
    assert peaks[1] < 1.5 * peaks[0]


def test_a_store_that_is_not_empty_is_left_as_it_is(filled: SqlStore, tmp_path: Path) -> None:
    back_up(filled.engine, tmp_path / "store.jsonl")
    with pytest.raises(StoreError, match="not empty"):
        restore(tmp_path / "store.jsonl", filled.engine)
    assert filled.find(make_prediction(1).id)


def damage(lines: list[bytes], how: str) -> bytes:
    if how == "altered":
        lines[1] = lines[1].replace(b"bundle-1", b"bundle-2")
    elif how == "cut off":
        lines = lines[:-1]
    elif how == "a line lost":
        del lines[9]
    elif how == "newer":
        lines[0] = lines[0].replace(newest_revision().encode(), b"9999")
    elif how == "half a line":
        lines[-1] = lines[-1][:20]
    return b"".join(lines)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("altered", "damaged"),
        ("cut off", "damaged"),
        ("a line lost", "damaged"),
        ("half a line", "damaged"),
        ("newer", "9999"),
    ],
)
@pytest.mark.parametrize("name", PORTABLE)
def test_a_damaged_backup_restores_nothing(
    sqlite: SqlStore, tmp_path: Path, name: str, how: str, reason: str
) -> None:
    path = tmp_path / name
    back_up(sqlite.engine, path)
    unpack = gzip.decompress if name.endswith(".gz") else bytes
    pack = gzip.compress if name.endswith(".gz") else bytes
    path.write_bytes(pack(damage(unpack(path.read_bytes()).splitlines(keepends=True), how)))
    engine = open_engine(f"sqlite:///{tmp_path}/restored.db")
    with pytest.raises(StoreError, match=reason):
        restore(path, engine)
    assert not (tmp_path / "restored.db").exists()
    engine.dispose()


@pytest.mark.parametrize("content", [b"", b"{}\n", b"no backup", b"\x1f\x8bno gzip", b"[]\n"])
def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.jsonl"
    path.write_bytes(content)
    engine = open_engine(f"sqlite:///{tmp_path}/restored.db")
    with pytest.raises(StoreError, match=r"store\.jsonl"):
        restore(path, engine)


def test_a_backup_that_is_not_there_is_told(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/restored.db")
    with pytest.raises(StoreError, match=r"nowhere\.db cannot be read"):
        restore(tmp_path / "nowhere.db", engine)


def test_a_damaged_copy_of_sqlite_is_refused(sqlite: SqlStore, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    back_up(sqlite.engine, path)
    content = bytearray(path.read_bytes())
    content[8192 : 8192 + 65536] = b"\xff" * 65536
    path.write_bytes(content)
    engine = open_engine(f"sqlite:///{tmp_path}/restored.db")
    with pytest.raises(StoreError, match=r"copy\.db"):
        restore(path, engine)
    engine.dispose()


def test_a_copy_of_a_newer_sqlite_store_is_refused(sqlite: SqlStore, tmp_path: Path) -> None:
    back_up(sqlite.engine, tmp_path / "copy.db")
    engine = open_engine(f"sqlite:///{tmp_path}/copy.db")
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    target = open_engine(f"sqlite:///{tmp_path}/restored.db")
    with pytest.raises(StoreError, match="9999"):
        restore(tmp_path / "copy.db", target)
    target.dispose()


def test_postgresql_neither_makes_nor_takes_a_copy_of_sqlite(
    postgres: Postgres, sqlite: SqlStore, tmp_path: Path
) -> None:
    engine = open_engine(postgres.new_database())
    with pytest.raises(StoreError, match="backed up as"):
        back_up(engine, tmp_path / "other.db")
    back_up(sqlite.engine, tmp_path / "copy.db")
    with pytest.raises(StoreError, match="is SQLite's"):
        restore(tmp_path / "copy.db", engine)
    engine.dispose()


def test_another_ending_is_refused(sqlite: SqlStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="should end in"):
        back_up(sqlite.engine, tmp_path / "store.zip")
