"""Which version of the tables a store has, and how it gets to another."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from data.errors import StoreError
from data.sql_engine import is_postgres, reading, where, writing

FOLDER = Path(__file__).parent / "migrations"


def newest_revision() -> str:
    """The revision this code is written for."""
    return str(ScriptDirectory(str(FOLDER)).get_current_head())


def find_revision(engine: Engine) -> str | None:
    """The revision of a store; None where there are no tables yet."""
    with reading(engine) as connection:
        return _find_revision(connection)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring a store to a revision, up or down, all or nothing; one process at a time.

    Down to `base` drops every table with what is in it.

    Raises
    ------
    StoreError
        If a newer version of this code made the store.
    """
    with writing(engine, alone=True) as connection:
        migrate_within(connection, where(engine.url), revision)


def migrate_within(connection: Connection, what: str, revision: str = "head") -> None:
    """As `migrate`, inside a transaction that someone else has begun; `what` names the store."""
    found = _find_revision(connection)
    require_known(what, found)
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    order = ["base", *reversed(_known()), "head"]
    down = order.index(revision) < order.index(found or "base")
    (command.downgrade if down else command.upgrade)(config, revision)


def require_newest(engine: Engine) -> None:
    """Migrate a SQLite store that is older; of PostgreSQL, say which command does.

    Raises
    ------
    StoreError
        If the store is newer, or it is older and stands in PostgreSQL.
    """
    found = find_revision(engine)
    if found == newest_revision():
        return
    require_known(where(engine.url), found)
    if is_postgres(engine):
        raise StoreError(
            f"{where(engine.url)} has version {found or 'none'} of the tables, {newest_revision()} "
            "is expected: run python -m pipelines.store migrate"
        )
    migrate(engine)


def require_known(what: str, revision: str | None) -> None:
    """Raise StoreError if newer code made the tables; `what` names them in the message."""
    if revision is not None and revision not in _known():
        raise StoreError(
            f"{what} has version {revision} of the tables, this code knows {newest_revision()} at "
            "most: use the newer code, or a backup made before"
        )


def _known() -> list[str]:
    """The revisions of this code, the newest first."""
    return [str(script.revision) for script in ScriptDirectory(str(FOLDER)).walk_revisions()]


def _find_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
