"""The tables of the store, as `data/migrations` leaves them in SQLite and in PostgreSQL.

Moments are whole microseconds since 1970 in UTC: the same number, order and index on both engines.
A record is kept whole as JSON; beside it stand the columns that are searched for.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.types import TypeDecorator, TypeEngine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC, exact; of an aware datetime."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def to_moment(microseconds: int) -> datetime:
    """The moment in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


class Words(TypeDecorator[str]):
    """Any text, sorted by code points; PostgreSQL alone could not hold NUL, nor sort so."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Text, compared byte by byte on PostgreSQL as SQLite does by itself."""
        return TEXT(collation="C") if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """NUL becomes SUB and 0, SUB becomes SUB and 1."""
        return None if value is None else value.replace("\x1a", "\x1a1").replace("\0", "\x1a0")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The text that was given."""
        return None if value is None else value.replace("\x1a0", "\0").replace("\x1a1", "\x1a")


metadata = MetaData()

bundles = Table(
    "bundles",
    metadata,
    Column("version", Words, primary_key=True),
    Column("targets", Text, nullable=False),  # JSON: target -> labels
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", Words, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("ticket_id", Words),
    Column("customer", Words),
    Column("language", Words),
    Column("arm", Words, nullable=False),
    Column("bundle", Words, nullable=False),
    Column("audit", Boolean, nullable=False),
    Column("explicit", Boolean, nullable=False),
    Column("beside", Words),
    Column("folded", Text, nullable=False),  # subject and text as they are searched
    Column("body", Text, nullable=False),  # JSON of the StoredPrediction
    Index("predictions_at", "at"),
    Index("predictions_ticket", "ticket_id"),
    Index("predictions_customer", "customer"),
    Index("predictions_language", "language", "id"),
    Index("predictions_bundle", "bundle", "id"),
)
Index(
    "predictions_audit",
    predictions.c.id,
    sqlite_where=predictions.c.audit,
    postgresql_where=predictions.c.audit,
)
Index(
    "predictions_beside",
    predictions.c.beside,
    sqlite_where=predictions.c.beside.is_not(None),
    postgresql_where=predictions.c.beside.is_not(None),
)

targets = Table(
    "prediction_targets",
    metadata,
    Column(
        "prediction_id", Words, ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("target", Words, primary_key=True),
    Column("label", Words, nullable=False),
    Column("decision", Words, nullable=False),
    Column("cost", Double, nullable=False),
    Column("open", Boolean, nullable=False),  # a person should look, and none has
    Index("prediction_targets_label", "target", "label", "prediction_id"),
    Index("prediction_targets_decision", "target", "decision", "prediction_id"),
)
Index(
    "prediction_targets_open",
    targets.c.cost,
    targets.c.prediction_id,
    sqlite_where=targets.c.open,
    postgresql_where=targets.c.open,
)

feedback = Table(
    "feedback",
    metadata,
    Column("key", Words, primary_key=True),
    # No foreign key: feedback may be here before its prediction.
    Column("prediction_id", Words, nullable=False),
    Column("target", Words, nullable=False),
    Column("verdict", Words, nullable=False),
    Column("label", Words),
    Column("author", Words),
    Column("at", BigInteger, nullable=False),
    Column("status", Words, nullable=False),
    Column("correlation", Words),
    Index("feedback_prediction", "prediction_id"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("digest", Words, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("detail", Text, nullable=False),  # JSON
    Index("events_at", "at", "number"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("endpoint", Words, primary_key=True),
    Column("id", Words, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("prediction_id", Words),
    Column("body", Text, nullable=False),  # JSON, as it is sent
    Column("state", Words, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("outcome", Words),  # of the last attempt
    Index("outbox_due", "endpoint", "state", "next_at"),
    Index("outbox_prediction", "prediction_id"),
)

facts = Table(
    "facts",
    metadata,
    Column("name", Words, primary_key=True),
    Column("value", Words, nullable=False),
)
"""Of the store itself: `salt`, which erasure digests are made with, `salt.*` of other stores whose
erasures it took over, `webhooks`, who wants which events, and `ping`, the last one."""
