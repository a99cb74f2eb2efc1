"""Feedback as it is written, inside a transaction that someone else has begun."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, update

from data.errors import ConflictError, DataError
from data.sql_queries import to_feedback
from data.sql_rows import insert_new, judge, read_labels, select_in
from data.sql_tables import feedback, predictions, targets, to_microseconds
from data.store import Feedback, FeedbackStatus, StoredFeedback


def insert_feedback(connection: Connection, rows: Sequence[Feedback]) -> tuple[StoredFeedback, ...]:
    """Keep feedback and tell, row by row, what became of it; the errors are the protocol's."""
    kept = _read_kept(connection, {row.key for row in rows})
    first: dict[str, Feedback] = dict(kept)
    for row in rows:
        _require_same(first.setdefault(row.key, row), row)
    new = [row for key, row in first.items() if key not in kept]
    stored = _settle(connection, new)
    inserted = insert_new(connection, feedback, [_to_row(row) for row in stored], "key")
    kept |= {row.key: row for row in stored if row.key in inserted}
    late = [row for row in stored if row.key not in inserted]
    if late:  # someone else used the key a moment ago
        kept |= _read_kept(connection, [row.key for row in late])
        for row in late:
            _require_same(kept[row.key], row)
    _close(connection, [row for row in stored if row.key in inserted])
    return tuple(kept[row.key] for row in rows)


def _settle(connection: Connection, rows: Sequence[Feedback]) -> list[StoredFeedback]:
    ids, columns = {row.prediction_id for row in rows}, (predictions.c.id, predictions.c.bundle)
    bundle = {row.id: row.bundle for row in select_in(connection, columns, predictions.c.id, ids)}
    answered: dict[str, set[str]] = {name: set() for name in bundle}
    for row in select_in(connection, targets, targets.c.prediction_id, bundle):
        answered[row.prediction_id].add(row.target)
    labels = read_labels(connection, set(bundle.values()))
    settled = []
    for row in rows:
        status: FeedbackStatus = "pending"
        if row.prediction_id in bundle:
            if row.target not in answered[row.prediction_id]:
                raise DataError(
                    f"the prediction {row.prediction_id} answered no target {row.target!r}; it "
                    f"answered {', '.join(sorted(answered[row.prediction_id])) or 'none'}"
                )
            known = labels.get(bundle[row.prediction_id], {}).get(row.target, ())
            status = judge(row, known)
        settled.append(StoredFeedback(**row.model_dump(), status=status))
    return settled


def _read_kept(connection: Connection, keys: Iterable[str]) -> dict[str, StoredFeedback]:
    return {
        row.key: to_feedback(row) for row in select_in(connection, feedback, feedback.c.key, keys)
    }


def _require_same(kept: Feedback, given: Feedback) -> None:
    # The moment is no content: a client that asks again may tell it anew.
    names = ("prediction_id", "target", "verdict", "label", "author")
    differing = [name for name in names if getattr(kept, name) != getattr(given, name)]
    if differing:
        raise ConflictError(
            f"a feedback key was used before with another {' and '.join(differing)}: use a new key"
        )


def _close(connection: Connection, rows: Sequence[StoredFeedback]) -> None:
    if rows:
        this = (
            targets.c.prediction_id == bindparam("this"),
            targets.c.target == bindparam("of"),
            targets.c.open,
        )
        connection.execute(
            update(targets).where(*this).values(open=False),
            [{"this": row.prediction_id, "of": row.target} for row in rows],
        )


def _to_row(row: StoredFeedback) -> dict[str, Any]:
    return row.model_dump() | {"at": to_microseconds(row.at)}
