"""Rows of feedback to put into files and before the tests of trust."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from data.feedback_files import FeedbackFiles
from data.feedback_rows import FeedbackRow
from data.schema import Ticket
from tests.stores import NOON


def make_row(number: int, **facts: Any) -> FeedbackRow:
    """What `anna` said, unasked, of ticket n: the network it is, as the model said with 0.98.

    `facts` replace fields; `text`, `ticket_id` and `day` (a number of days) are the ticket's.
    """
    at = NOON + timedelta(days=facts.pop("day", 0), seconds=number)
    label = facts.get("label", "network")
    predicted = facts.get("predicted", "network")
    ticket = Ticket(
        id=facts.pop("ticket_id", f"t-{number}"),
        text=facts.pop("text", f"invented ticket number {number}"),
    )
    usual: dict[str, Any] = {
        "key": f"key-{number}-{facts.get('author', 'anna')}",
        "prediction_id": f"{number:032x}",
        "target": "category",
        "verdict": "confirm" if label == predicted else "correct",
        "label": label,
        "author": "anna",
        "at": at + timedelta(hours=1),
        "origin": "unasked",
        "propensity": None,
        "predicted": predicted,
        "confidence": 0.98,
        "decision": "auto",
        "bundle": "bundle-1",
        "arm": "champion",
        "answered_at": at,
        "language": "en",
        "customer": None,
        "ticket": ticket,
    }
    return FeedbackRow(**(usual | facts))


def write_batches(folder: Path, *batches: Sequence[FeedbackRow], at: datetime = NOON) -> list[str]:
    """Batches with these rows, one after the other; their names."""
    files = FeedbackFiles(folder)
    return [files.add({"rows": rows}, "collector", at).name for rows in batches]
