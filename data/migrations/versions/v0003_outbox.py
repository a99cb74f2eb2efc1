"""Events on their way to webhooks, and which request a person's word came with.

Nobody asked for events of rows made before, so there are none; of their feedback the request is
not known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_words = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("feedback", sa.Column("correlation", _words))
    op.create_table(
        "outbox",
        sa.Column("endpoint", _words, primary_key=True),
        sa.Column("id", _words, primary_key=True),
        sa.Column("kind", _words, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("prediction_id", _words),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", _words, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("outcome", _words),
    )
    op.create_index("outbox_due", "outbox", ["endpoint", "state", "next_at"])
    op.create_index("outbox_prediction", "outbox", ["prediction_id"])


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_column("feedback", "correlation")
