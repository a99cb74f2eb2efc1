"""Taking rows away: one ticket's, one customer's, or those older than may be kept.

Whose rows went is remembered as a digest, made with a salt that only backups and lists of erasures
share, so that the log tells nothing and a row that comes late is still recognised. A store that
took over the erasures of another one knows several salts.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from data.sql_rows import insert_new, select_in
from data.sql_tables import (
    erasures,
    facts,
    feedback,
    outbox,
    predictions,
    targets,
    to_microseconds,
)
from data.store import Erased, Erasure, StoredPrediction

Kept = Sequence[StoredPrediction]

SALT = "salt"
"""Of facts, the store's own; those of other stores are called `salt.` and something."""


def keep_salt(connection: Connection) -> None:
    """Make the salt of a store that has none yet."""
    if connection.scalar(select(facts.c.value).where(facts.c.name == SALT)) is None:
        insert_new(connection, facts, [{"name": SALT, "value": secrets.token_hex(32)}], "name")


def make_digest(connection: Connection, kind: str, key: str) -> str:
    """The digest of a key; 64 hex digits, the same for the same key in this store alone."""
    return _digest(read_salts(connection)[0], kind, key)


def read_salts(connection: Connection) -> list[str]:
    """The store's own salt, then those whose erasures it took over."""
    named = facts.c.name == SALT
    others = facts.c.name.startswith(f"{SALT}.", autoescape=True)
    return list(
        connection.scalars(select(facts.c.value).where(or_(named, others)).order_by(facts.c.name))
    )


def digests_of(salts: Sequence[str], ticket_id: str | None, customer: str | None) -> list[str]:
    """The digests under which an erasure of this ticket or customer would be known."""
    keys = (("ticket", ticket_id), ("customer", customer))
    return [_digest(salt, kind, key) for salt in salts for kind, key in keys if key is not None]


def split_erased(connection: Connection, rows: Kept) -> tuple[Kept, Kept]:
    """The predictions that may be kept, and those made before their erasure."""
    if connection.scalar(select(erasures.c.at).limit(1)) is None:
        return rows, ()
    salts = read_salts(connection)
    digests = {row.id: digests_of(salts, row.ticket.id, row.customer) for row in rows}
    asked = {digest for found in digests.values() for digest in found}
    erased = {
        row.digest: row.at for row in select_in(connection, erasures, erasures.c.digest, asked)
    }
    late = {
        row.id
        for row in rows
        if any(
            to_microseconds(row.asked_at) <= erased.get(digest, -1) for digest in digests[row.id]
        )
    }
    return [row for row in rows if row.id not in late], [row for row in rows if row.id in late]


def erase_rows(connection: Connection, erasure: Erasure, at: int) -> tuple[str, Erased]:
    """Remove a ticket's or customer's rows and remember that; the digest, and how many went."""
    if erasure.ticket_id is not None:
        digest = make_digest(connection, "ticket", erasure.ticket_id)
        gone = delete_predictions(connection, predictions.c.ticket_id == erasure.ticket_id)
    else:
        digest = make_digest(connection, "customer", str(erasure.customer))
        gone = delete_predictions(connection, predictions.c.customer == erasure.customer)
    if not insert_new(connection, erasures, [{"digest": digest, "at": at}], "digest"):
        later = update(erasures).where(erasures.c.digest == digest, erasures.c.at < at)
        connection.execute(later.values(at=at))
    return digest, gone


def drop_rows(connection: Connection, moment: int) -> Erased:
    """Remove predictions made before a moment, and feedback given before it that still waits."""
    gone = delete_predictions(connection, predictions.c.at < moment)
    waiting = (feedback.c.status == "pending", feedback.c.at < moment)
    late = connection.execute(delete(feedback).where(*waiting)).rowcount
    return Erased(predictions=gone.predictions, feedback=gone.feedback + late)


def delete_predictions(connection: Connection, which: ColumnElement[bool]) -> Erased:
    """Remove predictions with all that hangs on them."""
    ids = select(predictions.c.id).where(which)
    said = connection.execute(delete(feedback).where(feedback.c.prediction_id.in_(ids))).rowcount
    connection.execute(delete(targets).where(targets.c.prediction_id.in_(ids)))
    connection.execute(delete(outbox).where(outbox.c.prediction_id.in_(ids)))
    gone = connection.execute(delete(predictions).where(which)).rowcount
    return Erased(predictions=gone, feedback=said)


def holds_erasure(
    connection: Connection, ticket_id: str | None = None, customer: str | None = None
) -> bool:
    """Whether this ticket or customer was ever asked to be erased."""
    digests = digests_of(read_salts(connection), ticket_id, customer)
    known = select(func.count()).select_from(erasures)
    same: Any = or_(*(erasures.c.digest == digest for digest in digests))
    return bool(connection.scalar(known.where(same)))


def _digest(salt: str, kind: str, key: str) -> str:
    return hmac.new(bytes.fromhex(salt), f"{kind}\0{key}".encode(), hashlib.sha256).hexdigest()
