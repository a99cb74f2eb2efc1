"""The command does what its options say, and says what it did."""

import csv
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.errors import DataError
from data.sql import SqlStore, open_sql_store
from data.sql_engine import open_engine
from data.sql_migrations import find_revision, newest_revision
from data.store import Query
from pipelines.store import main, make_query, read_moment, retain
from tests.postgres import Postgres
from tests.stores import LABELS, NOON, MemoryStore, make_prediction


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TICKETS_STORE", "sqlite:///store.db")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture
def store() -> SqlStore:
    opened = open_sql_store("sqlite:///store.db")
    opened.know_bundle("bundle-1", LABELS)
    opened.add_predictions([make_prediction(n, customer=f"c-{n}") for n in range(5)])
    return opened


def test_migrate_makes_the_tables_and_status_tells_of_them(
    postgres: Postgres, told: pytest.LogCaptureFixture
) -> None:
    url = postgres.new_database()
    main(["--url", url, "status"])
    assert "'version': 'none'" in told.text
    main(["--url", url, "migrate"])
    engine = open_engine(url)
    assert find_revision(engine) == newest_revision()
    engine.dispose()
    main(["--url", url, "status"])
    assert "'predictions': 0" in told.text


def test_a_backup_is_restored_into_another_store(store: SqlStore) -> None:
    main(["backup", "made/copy.jsonl.gz"])
    main(["--url", "sqlite:///other.db", "restore", "made/copy.jsonl.gz"])
    other = open_sql_store("sqlite:///other.db")
    assert list(other.stream(Query())) == list(store.stream(Query()))
    other.close()


def test_an_export_holds_what_the_options_find_and_is_logged(
    store: SqlStore, told: pytest.LogCaptureFixture
) -> None:
    since = (NOON + timedelta(seconds=1)).isoformat()
    main(
        [
            "--actor",
            "ann",
            "export",
            "some.jsonl",
            "--since",
            since,
            "--no-audit",
            "--text",
            "INVENTED",
        ]
    )
    assert len(Path("some.jsonl").read_text().splitlines()) == 4
    (event,) = store.events(action="export")
    assert (event.actor, event.subject, event.detail) == ("ann", "some.jsonl", {"predictions": 4})


def test_an_export_names_arms_and_flags(store: SqlStore) -> None:
    rows = [make_prediction(n, arm=arm) for n, arm in ((7, "shadow"), (8, "challenger"))]
    store.add_predictions([*rows, make_prediction(9, arm="challenger", explicit=True)])
    main(["export", "some.csv", "--arm", "shadow", "--arm", "challenger", "--no-explicit"])
    with Path("some.csv").open(newline="") as file:
        found = {(row["id"], row["arm"], row["explicit"]) for row in csv.DictReader(file)}
    assert found == {(row.id, row.arm, "false") for row in rows}


@pytest.mark.parametrize(
    ("options", "left"),
    [(["--ticket", "t-1"], [0, 2, 3, 4]), (["--customer", "c-4"], [0, 1, 2, 3])],
)
def test_an_erasure_is_logged_without_the_key(
    store: SqlStore, told: pytest.LogCaptureFixture, options: list[str], left: list[int]
) -> None:
    main(["erase", *options])
    assert [int(row.stored.id, 16) for row in store.stream(Query())] == left
    assert len(store.events(action="erase")) == 1
    assert options[1] not in told.text


def test_retain_keeps_the_days_it_is_told() -> None:
    store = MemoryStore()
    store.add_predictions([make_prediction(n, at=NOON - timedelta(days=n)) for n in range(5)])
    assert retain(store, 2, "timer", NOON).predictions == 2
    with pytest.raises(DataError, match="at least 1"):
        retain(store, 0, "timer", NOON)


def test_the_command_retains(store: SqlStore) -> None:
    main(["retain", "--days", str((datetime.now(UTC) - NOON).days + 9999)])
    assert store.events(action="retain")[0].detail == {"predictions": 0, "feedback": 0}


def test_what_goes_wrong_ends_the_command_with_its_reason() -> None:
    with pytest.raises(SystemExit, match=r"restore: nowhere\.jsonl cannot be read"):
        main(["restore", "nowhere.jsonl"])


def test_a_moment_without_a_zone_is_utc() -> None:
    assert read_moment("2026-11-01") == datetime(2026, 11, 1, tzinfo=UTC)
    assert read_moment("2026-11-01T12:00+01:00") == datetime(2026, 11, 1, 11, tzinfo=UTC)
    with pytest.raises(DataError, match="tomorrow"):
        read_moment("tomorrow")


def test_a_value_that_no_query_knows_is_told_by_its_option() -> None:
    with pytest.raises(DataError, match="--decision"):
        make_query({"decision": "maybe"})
    assert make_query({"audit": False, "text": None}) == Query(audit=False)
