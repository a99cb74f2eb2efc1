"""What webhooks are told of: which events there are, and what each of them says.

An event is made in the transaction that keeps the fact it tells of (`data.sql`), so that there is
one without the other never. It names ids, labels and numbers; of the words of a ticket, or of the
reasons written for people, it holds none.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import uuid4

from pydantic import JsonValue

from data.store import Event, StoredPrediction

Kind = Literal[
    "ticket.classified",
    "ticket.review_needed",
    "drift.alert",
    "certificate.lost",
    "model.promoted",
    "webhook.test",
]
"""What may be told. `webhook.test` is sent by a command, to whoever it names."""

KINDS: tuple[Kind, ...] = get_args(Kind)

OF_ACTIONS: Mapping[str, Kind] = {
    "alert.drift": "drift.alert",
    "alert.certificate": "certificate.lost",
    "promotion": "model.promoted",
    "rollback": "model.promoted",
}
"""Action of a line of the audit log -> the event that tells of it."""

_TOLD: Mapping[str, tuple[str, ...]] = {
    "drift.alert": ("action", "checks"),
    "certificate.lost": ("target", "label"),
    "model.promoted": ("former",),
}
"""Of the detail of such a line, what goes out; the rest is for people of the house."""


@dataclass(frozen=True)
class Announcement:
    """One event, before it is known who is told."""

    id: str
    """The same for the same fact, so that who is told twice can know. Holds no dot."""
    kind: Kind
    at: datetime
    data: Mapping[str, Any]
    prediction_id: str | None = None
    """What erasing a ticket takes the event with."""

    @property
    def body(self) -> str:
        """As it is sent: type, timestamp and data, as Standard Webhooks recommends."""
        told = {"type": self.kind, "timestamp": self.at.isoformat(), "data": self.data}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def announce_predictions(rows: Iterable[StoredPrediction]) -> Iterator[Announcement]:
    """The events of answers that somebody was told; a shadow's answers make none."""
    for row in rows:
        if row.shadow:
            continue
        data = _of_prediction(row)
        yield Announcement(
            f"msg_{row.id}_classified", "ticket.classified", row.at, data, prediction_id=row.id
        )
        open_targets = [
            target for target, one in row.prediction.targets.items() if one.decision == "review"
        ]
        if open_targets:
            yield Announcement(
                f"msg_{row.id}_review",
                "ticket.review_needed",
                row.at,
                {**data, "review": open_targets},
                prediction_id=row.id,
            )


def announce_event(event: Event) -> Announcement | None:
    """The event of a line of the audit log; None where nobody outside needs to know."""
    kind = OF_ACTIONS.get(event.action)
    if kind is None:
        return None
    data: dict[str, JsonValue] = {"bundle": event.subject, "cause": event.action}
    data |= {name: event.detail[name] for name in _TOLD[kind] if name in event.detail}
    return Announcement(f"msg_{uuid4().hex}", kind, event.at, data)


def announce_test(at: datetime) -> Announcement:
    """An event that means nothing, to see whether it arrives."""
    return Announcement(f"msg_{uuid4().hex}", "webhook.test", at, {})


def _of_prediction(row: StoredPrediction) -> dict[str, Any]:
    answer = row.prediction
    return {
        "prediction_id": row.id,
        "ticket_id": row.ticket.id,
        "bundle": answer.bundle,
        "arm": row.arm,
        "language": answer.language,
        "correlation": row.correlation,
        "targets": {
            target: {
                "label": one.label,
                "confidence": one.confidence,
                "decision": one.decision,
                "reason": one.reason,
            }
            for target, one in answer.targets.items()
        },
    }


def read_kinds(names: Sequence[str]) -> tuple[Kind, ...]:
    """The kinds of these names, in our order; names of another version are passed over."""
    return tuple(kind for kind in KINDS if kind in names)
