"""The tables are what the code expects, on both engines, up and down and up again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from data.errors import StoreError
from data.sql import open_sql_store
from data.sql_engine import open_engine, reading, writing
from data.sql_migrations import find_revision, migrate, newest_revision
from data.sql_tables import metadata
from data.store import Query
from tests.postgres import Postgres
from tests.stores import make_prediction


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a database without tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/100%/store.db"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_database()
    opened = open_engine(url)
    yield opened
    opened.dispose()


@pytest.fixture
def url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def set_revision(engine: Engine, revision: str) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})


def differ(context: Any, there: Any, ours: Any, found: Any, wanted: Any) -> bool:
    """Whether a column has another type than ours, both spelt as the engine spells them."""
    dialect = context.dialect
    return str(found.compile(dialect)) != str(wanted.compile(dialect))


def test_the_migrations_make_the_tables_the_code_expects(engine: Engine) -> None:
    migrate(engine)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": differ})
        assert compare_metadata(context, metadata) == []


def test_down_leaves_nothing_and_up_again_makes_it_all(engine: Engine) -> None:
    assert find_revision(engine) is None
    migrate(engine)
    assert find_revision(engine) == newest_revision()
    migrate(engine, "base")
    assert find_revision(engine) is None
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())


def test_rows_made_by_an_older_version_are_read_and_survive_both_ways(
    engine: Engine, url: str
) -> None:
    migrate(engine, "0001")
    row = make_prediction(1, arm="shadow")
    body = row.model_dump_json(exclude={"explicit", "beside"})
    with writing(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO predictions (id, at, arm, bundle, audit, folded, body) "
                "VALUES (:id, 1, 'shadow', 'bundle-1', :no, 'invented', :body)"
            ),
            {"id": row.id, "no": False, "body": body},
        )
    migrate(engine)
    store = open_sql_store(url)
    assert [found.stored for found in store.search(Query(explicit=False)).found] == [row]
    named = make_prediction(2, explicit=True, beside=row.id)
    store.add_predictions([named])
    migrate(engine, "0001")
    assert find_revision(engine) == "0001"
    migrate(engine)
    assert [found.stored for found in store.search(Query()).found] == [named, row]
    assert [found.stored for found in store.search(Query(explicit=True)).found] == [named]
    assert [found.stored for found in store.search(Query(beside=row.id)).found] == [named]
    store.close()


def test_migrating_twice_does_nothing(engine: Engine) -> None:
    migrate(engine)
    migrate(engine)
    assert find_revision(engine) == newest_revision()


def test_a_migration_that_fails_leaves_the_tables_as_they_were(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE feedback (mine INTEGER)"))
    with pytest.raises(StoreError):
        migrate(engine)
    assert inspect(engine).get_table_names() == ["feedback"]


def test_several_migrate_at_once_and_one_does_it(engine: Engine, url: str) -> None:
    def upgrade(_: int) -> str | None:
        own = open_engine(url)
        migrate(own)
        found = find_revision(own)
        own.dispose()
        return found

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(upgrade, range(4))) == {newest_revision()}


def test_a_newer_store_is_refused_and_left_alone(engine: Engine, url: str) -> None:
    migrate(engine)
    set_revision(engine, "9999")
    for attempt in (lambda: open_sql_store(url), lambda: migrate(engine)):
        with pytest.raises(StoreError, match=r"9999.*newer code"):
            attempt()
    assert find_revision(engine) == "9999"


def test_an_older_store_is_migrated_in_sqlite_and_refused_in_postgresql(
    engine: Engine, url: str
) -> None:
    migrate(engine)
    migrate(engine, "base")
    if engine.dialect.name == "postgresql":
        with pytest.raises(StoreError, match=r"pipelines\.store migrate"):
            open_sql_store(url)
        migrate(engine)
    store = open_sql_store(url)
    assert store.search(Query()).found == ()
    store.close()
