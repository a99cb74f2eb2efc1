"""What the protocol cannot say of a store in a database: durability, many writers, failures."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from data.errors import ConflictError, StoreError
from data.sql import SqlStore, open_sql_store
from data.sql_engine import open_engine, told, writing
from data.sql_migrations import migrate
from data.store import Erasure, Query
from tests.postgres import Postgres
from tests.stores import LABELS, NOON, make_feedback, make_prediction

ROOT = Path(__file__).parents[2]
SECRET = "my password is swordfish"
WRITERS = 4


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def sqlite(file: Path) -> Iterator[SqlStore]:
    opened = open_sql_store(f"sqlite:///{file}")
    yield opened
    opened.close()


def write_much(url: str, writer: int, barrier: object) -> None:
    """Open the store when all others do, and write own and shared keys."""
    barrier.wait(60)  # type: ignore[attr-defined]
    store = open_sql_store(url)
    store.know_bundle("bundle-1", LABELS)
    for part in range(10):
        own = 1000 * (writer + 1) + 10 * part
        shared = 10 * part
        rows = [make_prediction(n) for start in (own, shared) for n in range(start, start + 10)]
        said = [make_feedback(f"key-{row.id}", int(row.id, 16)) for row in rows]
        if writer % 2:
            store.add_predictions(rows)
            store.add_feedback(said)
        else:
            store.add_feedback(said)
            store.add_predictions(rows)
    store.close()


def test_processes_that_write_at_once_lose_nothing_and_keep_each_key_once(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WRITERS)
    writers = [context.Process(target=write_much, args=(url, n, barrier)) for n in range(WRITERS)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(120)
    assert [process.exitcode for process in writers] == [0] * WRITERS
    store = open_sql_store(url)
    found = list(store.stream(Query()))
    expected = {*range(100), *(1000 * w + n for w in range(1, WRITERS + 1) for n in range(100))}
    assert [int(row.stored.id, 16) for row in found] == sorted(expected)
    assert {len(row.feedback) for row in found} == {1}
    assert {given.status for row in found for given in row.feedback} == {"accepted"}
    assert store.to_review() == []
    store.close()


def race(calls: list[Callable[[], object]]) -> list[object]:
    """Call all at once; what each gave, or the error it raised."""

    def attempt(call: Callable[[], object]) -> object:
        try:
            return call()
        except ConflictError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(attempt, calls))


def test_of_two_uses_of_a_key_at_once_one_is_a_conflict(store: SqlStore) -> None:
    store.add_predictions([make_prediction(1), make_prediction(2)])
    for turn in range(10):
        said = [[make_feedback(f"k{turn}", 1)], [make_feedback(f"k{turn}", 2)]]
        given = race([lambda rows=rows: store.add_feedback(rows) for rows in said])  # type: ignore[misc]
        assert sum(isinstance(answer, ConflictError) for answer in given) == 1


def test_feedback_that_meets_its_prediction_is_never_left_pending(store: SqlStore) -> None:
    for turn in range(20):
        row, said = make_prediction(turn), make_feedback(f"k{turn}", turn)
        race([lambda r=row: store.add_predictions([r]), lambda s=said: store.add_feedback([s])])  # type: ignore[misc]
    found = list(store.stream(Query()))
    assert len(found) == 20
    assert {given.status for row in found for given in row.feedback} == {"accepted"}


def test_a_prediction_that_meets_its_erasure_does_not_stay(store: SqlStore) -> None:
    for turn in range(10):
        row, whose = make_prediction(turn, customer="c"), Erasure(customer="c")
        race(
            [
                lambda r=row: store.add_predictions([r]),  # type: ignore[misc]
                lambda w=whose: store.erase(w, "operator", NOON + timedelta(days=1)),  # type: ignore[misc]
            ]
        )
    assert list(store.stream(Query())) == []


CHILD = """
import sys
from data.sql import open_sql_store
from tests.stores import make_feedback, make_prediction
store = open_sql_store(sys.argv[1])
for n in range(100_000):
    store.add_predictions([make_prediction(n)])
    store.add_feedback([make_feedback(f"k{n}", n)])
    print(n, flush=True)
"""


def test_what_was_acknowledged_outlives_a_process_that_is_killed(url: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, url], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout
    acknowledged = [int(child.stdout.readline()) for _ in range(30)]
    child.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in child.stdout if line.endswith("\n")]
    child.wait(30)
    child.stdout.close()
    store = open_sql_store(url)
    for number in acknowledged:
        found = store.find(make_prediction(number).id)
        assert found
        assert [given.key for given in found.feedback] == [f"k{number}"]
    store.ping()
    store.close()


def test_every_connection_to_sqlite_waits_for_the_disk(sqlite: SqlStore) -> None:
    with sqlite.engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert pragmas == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1
    }  # fmt: skip


def test_what_was_erased_is_nowhere_in_the_files(sqlite: SqlStore, file: Path) -> None:
    sqlite.add_predictions([make_prediction(n, text=f"{SECRET} {n}") for n in range(50)])
    sqlite.add_predictions([make_prediction(99, ticket_id="whose-ticket", text=SECRET + " 99")])
    sqlite.erase(Erasure(ticket_id="whose-ticket"), "operator", NOON + timedelta(days=1))
    written = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert f"{SECRET} 1".encode() in written
    assert f"{SECRET} 99".encode() not in written
    assert b"whose-ticket" not in written


def test_a_full_disk_is_told_without_the_ticket(sqlite: SqlStore) -> None:
    with sqlite.engine.connect() as connection:
        # Of this connection only; the pool gives it to the next who asks.
        connection.exec_driver_sql("PRAGMA max_page_count=40")
    with pytest.raises(StoreError, match="SQLITE_FULL") as told:
        sqlite.add_predictions([make_prediction(1, text=SECRET * 2000)])
    assert SECRET not in repr(told.getrepr(chain=True))
    assert sqlite.find(make_prediction(1).id) is None


def test_a_store_that_another_holds_is_told_as_busy(sqlite: SqlStore) -> None:
    with writing(sqlite.engine), sqlite.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA busy_timeout=1")
        with pytest.raises(StoreError, match="SQLITE_BUSY"), told(sqlite.engine.url):
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"no database, but a text of some length" * 100)
    with pytest.raises(StoreError, match="SQLITE_NOTADB"):
        open_sql_store(f"sqlite:///{tmp_path}/other.db")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"store\.db"):
        open_sql_store(f"sqlite:///{tmp_path}/file/store.db")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("sqlite://", "no file"),
        ("sqlite:///:memory:", "no file"),
        ("mysql://u:swordfish@host/db", "mysql"),
        ("no address", "no URL"),
        ("postgresql://u:swordfish@host/db?sslmode=maybe", "sslmode"),
        ("postgresql://u:swordfish@localhost/db?unix_sock=/nowhere/.s", "cannot be reached"),
        ("postgresql://u:swordfish@127.0.0.1:1/db", "cannot be reached"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(
    address: str, reason: str
) -> None:
    with pytest.raises(StoreError, match=reason) as told:
        open_sql_store(address)
    assert "swordfish" not in str(told.value)


def test_what_postgresql_complains_of_is_told_by_its_code(postgres: Postgres) -> None:
    engine = open_engine(postgres.new_database())
    migrate(engine)
    postgres.execute(f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on")
    engine.dispose()
    store = SqlStore(engine)
    with pytest.raises(StoreError, match="SQLSTATE 25006"):
        store.ping()
    store.close()


def test_a_connection_that_was_cut_is_replaced(postgres: Postgres) -> None:
    address = postgres.new_database()
    engine = open_engine(address)
    migrate(engine)
    store = SqlStore(engine)
    store.ping()
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{engine.url.database}'"
    )
    store.ping()
    store.close()


def test_a_row_of_another_version_is_told_by_its_id(store: SqlStore) -> None:
    row = make_prediction(1, text=SECRET)
    store.add_predictions([row])
    with writing(store.engine) as connection:
        connection.execute(text("UPDATE predictions SET body = replace(body, 'arm', 'leg')"))
    with pytest.raises(StoreError, match=row.id) as told:
        store.find(row.id)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    "facts",
    [{}, {"bundle": "bundle-1"}, {"target": "category"}, {"label": "network"}, {"audit": True}],
    ids=str,
)
def test_streaming_four_times_the_rows_of_a_time_takes_four_times_the_work(
    sqlite: SqlStore, monkeypatch: pytest.MonkeyPatch, facts: dict[str, str | bool]
) -> None:
    monkeypatch.setattr("data.sql.CHUNK", 5)
    sqlite.know_bundle("bundle-1", LABELS)
    sqlite.add_predictions([make_prediction(number, audit=True) for number in range(1_000)])
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    @event.listens_for(sqlite.engine, "begin")
    def watch(connection: Connection) -> None:
        connection.connection.driver_connection.set_progress_handler(count, 10)

    def work(rows: int) -> int:
        nonlocal steps
        steps = 0
        since = NOON + timedelta(seconds=100)
        until = since + timedelta(seconds=rows)
        assert sum(1 for _ in sqlite.stream(Query(since=since, until=until, **facts))) == rows
        return steps

    few = work(200)
    assert work(800) < 5 * few  # where each chunk begins anew: 12 times and more


def test_streaming_ten_times_the_rows_takes_no_more_memory(store: SqlStore) -> None:
    def peak_of_a_stream() -> int:
        tracemalloc.start()
        number = sum(1 for _ in store.stream(Query()))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert number
        return peak

    long = "many words " * 200
    store.add_predictions([make_prediction(n, text=long) for n in range(200)])
    few = peak_of_a_stream()
    for start in range(200, 2000, 200):
        store.add_predictions([make_prediction(n, text=long) for n in range(start, start + 200)])
    assert peak_of_a_stream() < 1.5 * few
