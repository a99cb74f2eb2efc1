"""Predictions as they are written, inside a transaction that someone else has begun."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, update

from data.sql_queries import fold, to_feedback
from data.sql_rows import chunks, insert_new, judge, read_labels, select_in
from data.sql_tables import feedback, predictions, targets, to_microseconds
from data.store import StoredPrediction


def insert_predictions(
    connection: Connection, rows: Sequence[StoredPrediction]
) -> list[StoredPrediction]:
    """Keep predictions whose id is not there, and give pending feedback on them its status.

    Returns
    -------
    Those that were not there.
    """
    given = {row.id: row for row in reversed(rows)}  # of equal ids the first counts
    new = insert_new(connection, predictions, [_to_row(row) for row in given.values()], "id")
    fresh = {name: row for name, row in given.items() if name in new}
    labels = read_labels(connection, {row.prediction.bundle for row in fresh.values()})
    said: set[tuple[str, str]] = set()
    changes = []
    for row in select_in(connection, feedback, feedback.c.prediction_id, fresh):
        found = to_feedback(row)
        prediction = fresh[found.prediction_id].prediction
        known = labels.get(prediction.bundle, {}).get(found.target, ())
        status = judge(found, known) if found.target in prediction.targets else "proposal"
        said.add((found.prediction_id, found.target))
        changes.append({"this": found.key, "status": status})
    if changes:
        by_key = update(feedback).where(feedback.c.key == bindparam("this"))
        connection.execute(by_key.values(status=bindparam("status")), changes)
    answers = [answer for row in fresh.values() for answer in _to_answers(row, said)]
    if answers:
        connection.execute(targets.insert().returning(targets.c.target), answers)
    return list(fresh.values())


def delete_pending(connection: Connection, ids: Sequence[str]) -> None:
    """Remove what was said of predictions that will never be stored."""
    for part in chunks(ids):
        pending = (feedback.c.prediction_id.in_(part), feedback.c.status == "pending")
        connection.execute(delete(feedback).where(*pending))


def _to_row(row: StoredPrediction) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": to_microseconds(row.at),
        "ticket_id": row.ticket.id,
        "customer": row.customer,
        "language": row.prediction.language,
        "arm": row.arm,
        "bundle": row.prediction.bundle,
        "audit": row.audit,
        "explicit": row.explicit,
        "beside": row.beside,
        "folded": fold(row.ticket.full_text),
        "body": row.model_dump_json(),
    }


def _to_answers(row: StoredPrediction, said: set[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "prediction_id": row.id,
            "target": target,
            "label": answer.label,
            "decision": answer.decision,
            "cost": row.cost.get(target, 0.0),
            "open": not row.shadow
            and (row.audit or answer.decision == "review")
            and (row.id, target) not in said,
        }
        for target, answer in row.prediction.targets.items()
    ]
