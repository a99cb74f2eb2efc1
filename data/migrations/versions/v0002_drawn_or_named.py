"""Whether the caller named the arm, and beside which answer a shadow stands.

Of rows made before, neither is known: they count as drawn, and their shadows as unpaired. Rows of a
store that was brought down from here tell it still.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_words = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column(
        "predictions",
        sa.Column("explicit", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column("predictions", sa.Column("beside", _words))
    there = sa.column("beside").is_not(None)
    op.create_index(
        "predictions_beside", "predictions", ["beside"], sqlite_where=there, postgresql_where=there
    )
    _fill(op.get_bind())


def downgrade() -> None:
    op.drop_index("predictions_beside", "predictions")
    op.drop_column("predictions", "beside")
    op.drop_column("predictions", "explicit")


def _fill(connection: sa.Connection) -> None:
    names = ("id", "body", "explicit", "beside")
    rows = sa.table("predictions", *map(sa.column, names))
    telling = sa.or_(rows.c.body.contains('"explicit":true'), rows.c.body.contains('"beside":"'))
    by_id = rows.update().where(rows.c.id == sa.bindparam("this"))
    for name, body in connection.execute(sa.select(rows.c.id, rows.c.body).where(telling)).all():
        told = json.loads(body)
        found = {column: told[column] for column in ("explicit", "beside") if column in told}
        if found:
            connection.execute(by_id.values(**found), {"this": name})
