"""How Alembic reaches the database: by the connection `data.sql_migrations` hands over."""

from alembic import context
from sqlalchemy import Connection

from data.sql_tables import metadata


def run(connection: Connection) -> None:
    """Bring the database to the revision asked for, in the transaction that is open."""
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    context.run_migrations()


# Alembic executes this file and sets `config` for that time; merely imported, it does nothing.
if hasattr(context, "config"):
    run(context.config.attributes["connection"])
