"""One row of a file as a ticket, or the reason why it is none; one answer as a row."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from data.errors import DataError
from data.row_writing import Kind, Value
from data.schema import MAX_TEXT, Detail, Prediction, Ticket
from data.tables import Row

_SURROGATE = re.compile("[\ud800-\udfff]")
_LIMITS = {"text": MAX_TEXT, "subject": 1_000, "id": 200, "language": 8}
"""Characters that a ticket's fields may have; see `data.schema.Ticket`."""


@dataclass(frozen=True)
class TicketColumns:
    """Which columns of a file hold what; only the text is needed."""

    text: str = "text"
    subject: str | None = None
    id: str | None = None
    language: str | None = None

    @cached_property
    def named(self) -> dict[str, str]:
        """Field of a ticket -> column, those left out missing."""
        return {field: column for field, column in asdict(self).items() if column}


class RowError(DataError):
    """A row is no ticket: the message is a stable name, then what was found, never the text."""


def ticket_of(row: Row, columns: TicketColumns) -> Ticket:
    """The ticket that stands in a row.

    Raises
    ------
    RowError
        `malformed_row`, `wrong_type`, `broken_encoding`, `empty_text` or `over_long`.
    """
    if row.fault:
        raise RowError(f"malformed_row: {row.fault}")
    fields = {field: _field(row, field, column) for field, column in columns.named.items()}
    if not fields.get("text"):
        raise RowError(f"empty_text: {columns.text}")
    if language := fields.get("language"):
        fields["language"] = re.split("[-_]", language.lower())[0] or None  # en-GB is read as en
    for field, value in fields.items():
        if value is not None and len(value) > _LIMITS[field]:
            raise RowError(
                f"over_long: {columns.named[field]}: {len(value):,} characters, "
                f"allowed {_LIMITS[field]:,}"
            )
    return Ticket(
        id=fields.get("id"),
        subject=fields.get("subject") or "",
        text=fields["text"] or "",
        language=fields.get("language"),
    )


def id_of(row: Row, columns: TicketColumns) -> str | None:
    """What identifies a row, even of one that is no ticket; None where nothing does."""
    name = _name(row.values.get(columns.id)) if columns.id else None
    return _SURROGATE.sub("\ufffd", name).strip()[: _LIMITS["id"]] or None if name else None


def output_columns(targets: Sequence[str], detail: Detail = "full") -> dict[str, Kind]:
    """Name -> kind of all columns that are written, in their order.

    Where only decisions are asked for, there is no sentiment, and `tier` tells who decided.

    Raises
    ------
    DataError
        If a target is called like one of the other columns.
    """
    columns: dict[str, Kind] = {"row": "integer", "id": "text"}
    after: dict[str, Kind] = {
        "language": "text",
        "sentiment": "text",
        "novelty": "number",
        "degraded": "list",
        "bundle": "text",
        "error": "text",
    }
    if detail == "decision":
        del after["sentiment"]
        after["tier"] = "text"
    for target in targets:
        own: dict[str, Kind] = {
            target: "text",
            f"{target}_confidence": "number",
            f"{target}_decision": "text",
            f"{target}_reason": "text",
            f"{target}_shortlist": "list",
        }
        if target == "sentiment":  # a bundle with this target reads no other
            after.pop("sentiment", None)
        if twice := sorted(own.keys() & (columns.keys() | after.keys())):
            raise DataError(f"the target {target} and another column are both called {twice[0]!r}")
        columns |= own
    return columns | after


def told(row: Row, columns: TicketColumns, prediction: Prediction) -> dict[str, Value]:
    """The row of the output for an answer."""
    values: dict[str, Value] = {
        "row": row.number,
        "id": id_of(row, columns),
        "language": prediction.language,
        "novelty": prediction.novelty,
        "degraded": list(prediction.degraded),
        "bundle": prediction.bundle,
    }
    if prediction.tier is not None:
        values["tier"] = prediction.tier
    if prediction.sentiment is not None:
        values["sentiment"] = prediction.sentiment.label
    for target, answer in prediction.targets.items():
        values[target] = answer.label
        values[f"{target}_confidence"] = answer.confidence
        values[f"{target}_decision"] = answer.decision
        values[f"{target}_reason"] = answer.reason
        values[f"{target}_shortlist"] = [candidate.label for candidate in answer.shortlist]
    return values


def refused(row: Row, columns: TicketColumns, reason: str) -> dict[str, Value]:
    """The row of the output for a row that got no answer."""
    return {"row": row.number, "id": id_of(row, columns), "error": reason}


def _field(row: Row, field: str, column: str) -> str | None:
    """A field as text; a number is one only where it names something."""
    value = row.values.get(column)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    found = _name(value) if field == "id" else value
    if not isinstance(found, str):
        raise RowError(f"wrong_type: {column}: {type(value).__name__}, expected text")
    if _SURROGATE.search(found):
        raise RowError(f"broken_encoding: {column}: bytes or code points that are no text")
    if not found.strip():
        return None
    return found.strip() if field in {"id", "language"} else found


def _name(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():  # whole numbers with gaps, from pandas
        return str(int(value))
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
