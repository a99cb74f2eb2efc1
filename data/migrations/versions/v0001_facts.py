"""Predictions, what was said of them, what was erased, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_words = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "bundles",
        sa.Column("version", _words, primary_key=True),
        sa.Column("targets", sa.Text, nullable=False),
    )
    op.create_table(
        "predictions",
        sa.Column("id", _words, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("ticket_id", _words),
        sa.Column("customer", _words),
        sa.Column("language", _words),
        sa.Column("arm", _words, nullable=False),
        sa.Column("bundle", _words, nullable=False),
        sa.Column("audit", sa.Boolean, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("predictions_at", "predictions", ["at"])
    op.create_index("predictions_ticket", "predictions", ["ticket_id"])
    op.create_index("predictions_customer", "predictions", ["customer"])
    op.create_index("predictions_language", "predictions", ["language", "id"])
    op.create_index("predictions_bundle", "predictions", ["bundle", "id"])
    _create_partial_index("predictions_audit", "predictions", ["id"], "audit")
    op.create_table(
        "prediction_targets",
        sa.Column(
            "prediction_id",
            _words,
            sa.ForeignKey("predictions.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("target", _words, primary_key=True),
        sa.Column("label", _words, nullable=False),
        sa.Column("decision", _words, nullable=False),
        sa.Column("cost", sa.Double, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
    )
    op.create_index(
        "prediction_targets_label", "prediction_targets", ["target", "label", "prediction_id"]
    )
    op.create_index(
        "prediction_targets_decision", "prediction_targets", ["target", "decision", "prediction_id"]
    )
    _create_partial_index(
        "prediction_targets_open", "prediction_targets", ["cost", "prediction_id"], "open"
    )
    op.create_table(
        "feedback",
        sa.Column("key", _words, primary_key=True),
        sa.Column("prediction_id", _words, nullable=False),
        sa.Column("target", _words, nullable=False),
        sa.Column("verdict", _words, nullable=False),
        sa.Column("label", _words),
        sa.Column("author", _words),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("status", _words, nullable=False),
    )
    op.create_index("feedback_prediction", "feedback", ["prediction_id"])
    op.create_table(
        "erasures",
        sa.Column("digest", _words, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("number", _number, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", _words, nullable=False),
        sa.Column("action", _words, nullable=False),
        sa.Column("subject", _words, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("events_at", "events", ["at", "number"])
    op.create_table(
        "facts",
        sa.Column("name", _words, primary_key=True),
        sa.Column("value", _words, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "facts", "events", "erasures", "feedback", "prediction_targets", "predictions", "bundles",
    ):  # fmt: skip
        op.drop_table(table)


def _create_partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.column(where, sa.Boolean)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
