"""From the rows of a file to tickets with labels, and to reasons why a row is none."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Literal

from data.catalog import Dataset, LanguageColumn
from data.errors import CatalogError, UnknownLabelError
from data.tables import Row

Reason = Literal[
    "empty_text",
    "no_label",
    "unknown_label",
    "broken_encoding",
    "wrong_type",
    "over_long",
    "malformed_row",
]

_SURROGATE = re.compile("[\ud800-\udfff]")
_COUNT = re.compile(r":\d+(?=\s|$)")

_SPLIT_NAMES = {
    "train": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "calibration": "calibration",
    "test": "test",
}


@dataclass(frozen=True, slots=True)
class RawTicket:
    """A ticket as the source gives it: nothing normalised, nothing masked.

    `split` is what the data set publishes for it; None leaves it to us.
    """

    row: Row
    id: str
    text: str
    labels: dict[str, str | None]
    language: str | None = None
    group: str | None = None
    created_at: str | None = None
    split: str | None = None
    resolution: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is no ticket. `text` is raw: mask it before it is written anywhere."""

    file: str
    number: int
    id: str
    reason: Reason
    detail: str
    text: str = ""


class _RefusalError(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.detail = detail


def read_records(
    rows: Iterable[Row], dataset: Dataset, targets: Sequence[str], max_characters: int
) -> tuple[list[RawTicket], list[Rejected]]:
    """Each row as a ticket or as a rejection, in the order of the rows.

    Ids are unique: a ticket without one is called after the sha256 of its content, and the second
    of two equal ids gets "-2".

    Raises
    ------
    CatalogError
        If a column of the entry occurs in no row.
    """
    tickets: list[RawTicket] = []
    rejected: list[Rejected] = []
    wanted = set(_columns(dataset, targets))
    seen: set[str] = set()
    for row in rows:
        seen.update(wanted.intersection(row.values))
        try:
            tickets.append(_record(row, dataset, targets, max_characters))
        except _RefusalError as refusal:
            rejected.append(
                Rejected(
                    row.file,
                    row.number,
                    _loose(row.values.get(dataset.id or "")),
                    refusal.reason,
                    refusal.detail,
                    "\n".join(_loose(row.values.get(column)) for column in dataset.text),
                )
            )
    if (tickets or any(r.reason != "malformed_row" for r in rejected)) and wanted - seen:
        raise CatalogError(
            f"{dataset.name}: no column {sorted(wanted - seen)[0]!r} in {', '.join(dataset.tables)}"
        )
    return _with_unique_ids(tickets), rejected


def _columns(dataset: Dataset, targets: Sequence[str]) -> list[str]:
    columns = [*dataset.text, *(dataset.targets[target] for target in targets)]
    columns += [c for c in _plain_columns(dataset) if c]
    if isinstance(dataset.language, LanguageColumn):
        columns.append(dataset.language.column)
    return columns


def _plain_columns(dataset: Dataset) -> tuple[str | None, ...]:
    return (dataset.id, dataset.group, dataset.time, dataset.split, dataset.resolution)


def _record(row: Row, dataset: Dataset, targets: Sequence[str], max_characters: int) -> RawTicket:
    if row.fault:
        raise _RefusalError("malformed_row", row.fault)
    for column in _columns(dataset, targets):
        value = row.values.get(column)
        if isinstance(value, str) and _SURROGATE.search(value):
            raise _RefusalError(
                "broken_encoding", f"{column}: bytes that are no {dataset.encoding}"
            )
    text = "\n".join(part for column in dataset.text if (part := _text(row, column)))
    if dataset.word_counts:
        text = _COUNT.sub("", text)
    if not text:
        raise _RefusalError("empty_text", "")
    if len(text) > max_characters:
        raise _RefusalError("over_long", f"{len(text):,} characters, allowed {max_characters:,}")
    labels = {target: _label(row, dataset, target) for target in targets}
    if not any(labels.values()):
        raise _RefusalError("no_label", f"none of {', '.join(targets)}")
    content = "\x1f".join((text, *(labels[target] or "" for target in targets)))
    return RawTicket(
        row=row,
        id=_plain(row, dataset.id) or hashlib.sha256(content.encode()).hexdigest()[:16],
        text=text,
        labels=labels,
        language=_language(row, dataset),
        group=_plain(row, dataset.group),
        created_at=_time(row, dataset),
        split=_split(row, dataset),
        resolution=_plain(row, dataset.resolution),
    )


def _text(row: Row, column: str) -> str:
    value = row.values.get(column)
    if value is None or value != value:  # NaN, by which pandas says that nothing is there
        return ""
    if not isinstance(value, str):
        raise _RefusalError("wrong_type", f"{column}: {type(value).__name__}, expected text")
    return value.strip()


def _plain(row: Row, column: str | None) -> str | None:
    """A value that names something: text, or a whole number or truth value as text."""
    value = row.values.get(column) if column else None
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():  # whole numbers with gaps, from pandas
        value = int(value)
    if not isinstance(value, str | int):
        raise _RefusalError("wrong_type", f"{column}: {type(value).__name__}, expected text")
    return unicodedata.normalize("NFC", str(value)).strip() or None


def _label(row: Row, dataset: Dataset, target: str) -> str | None:
    label = _plain(row, dataset.targets[target])
    known = dataset.labels.get(target)
    if label is not None and known is not None and label not in known:
        raise _RefusalError("unknown_label", str(UnknownLabelError(target, label[:40], known)))
    return label


def _language(row: Row, dataset: Dataset) -> str | None:
    if not isinstance(dataset.language, LanguageColumn):
        return dataset.language
    value = _plain(row, dataset.language.column)
    return re.split("[-_]", value.lower())[0] if value else None


def _time(row: Row, dataset: Dataset) -> str | None:
    """The time in ISO 8601 and UTC; one without a zone is taken for UTC."""
    value = row.values.get(dataset.time) if dataset.time else None
    if value is None or value == "":
        return None
    try:
        if isinstance(value, date):
            moment = datetime.fromisoformat(value.isoformat())
        elif not isinstance(value, str):
            raise ValueError
        elif dataset.time_format:
            # A time without a zone is given one below.
            moment = datetime.strptime(value.strip(), dataset.time_format)  # noqa: DTZ007
        else:
            moment = datetime.fromisoformat(value.strip())
    except ValueError:
        expected = dataset.time_format or "ISO 8601"
        raise _RefusalError("wrong_type", f"{dataset.time}: not in the form {expected}") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat()


def _split(row: Row, dataset: Dataset) -> str | None:
    value = _plain(row, dataset.split)
    if value is None:
        return None
    if value.lower() not in _SPLIT_NAMES:
        raise _RefusalError("wrong_type", f"{dataset.split}: none of {', '.join(_SPLIT_NAMES)}")
    return _SPLIT_NAMES[value.lower()]


def _loose(value: object) -> str:
    """Something of a value for rejected.csv, with bytes that are no text replaced."""
    if not isinstance(value, str | int):
        return ""
    return _SURROGATE.sub("\ufffd", str(value))


def _with_unique_ids(tickets: list[RawTicket]) -> list[RawTicket]:
    taken = {ticket.id for ticket in tickets}
    seen: Counter[str] = Counter()
    unique = []
    for ticket in tickets:
        seen[ticket.id] += 1
        number, name = seen[ticket.id], ticket.id
        if number > 1:
            while (name := f"{ticket.id}-{number}") in taken:
                number += 1
            taken.add(name)
            seen[ticket.id] = number
        unique.append(ticket if name == ticket.id else replace(ticket, id=name))
    return unique


def duplicate_ids(tickets: Sequence[RawTicket], dataset: Dataset) -> int:
    """How many tickets share the id that the source gives them with an earlier one."""
    if dataset.id is None:
        return 0
    given = Counter(str(ticket.row.values.get(dataset.id, "")).strip() for ticket in tickets)
    return sum(count - 1 for name, count in given.items() if name)
