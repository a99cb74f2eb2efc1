"""The golden set: tickets whose labels were settled by people, which nobody can overwrite.

    data/golden/
      tickets.jsonl     one ticket a line, only ever appended to
      seal.jsonl        who added how many, when and why, and the sha256 of the tickets after that

Candidates are judged on it, authors of feedback are measured by it, and nothing is trained on it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import AwareDatetime, Field, ValidationError

from data.chain import Chain, Link, append, read_chain
from data.duplicates import copy_keys
from data.durable import write_text
from data.errors import ConflictError, DataError
from data.schema import NonEmpty, Record
from data.text import model_text

GOLDEN = Path("data/golden")
TICKETS = "tickets.jsonl"
SEAL = "seal.jsonl"


class GoldenTicket(Record):
    """A ticket as every member reads it, and what is right of it."""

    id: NonEmpty = Field(max_length=200)
    text: NonEmpty
    labels: dict[NonEmpty, NonEmpty] = Field(min_length=1, description="target -> label")
    language: str | None = Field(default=None, max_length=8)


class Addition(Link):
    """A line of the seal."""

    at: AwareDatetime
    actor: NonEmpty
    reason: NonEmpty
    added: int = Field(ge=1)
    tickets: int = Field(ge=1, description="all there are after that")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of tickets.jsonl after that")


class Added(NamedTuple):
    """What an addition did."""

    added: int
    known: int
    """Left out, as the same text stands there with the same labels."""
    tickets: int
    head: str


def read_golden(folder: Path = GOLDEN) -> tuple[GoldenTicket, ...]:
    """All golden tickets; none where there is no golden set.

    Raises
    ------
    DataError
        If tickets and seal do not belong together, or one of them is missing.
    """
    return _read(folder)[0]


def add_golden(
    folder: Path, tickets: Sequence[GoldenTicket], actor: str, reason: str, at: datetime
) -> Added:
    """Append tickets; their texts are prepared and masked here.

    Raises
    ------
    ConflictError
        If a text stands there with another label, or an id with another text; nothing is added.
    DataError
        If a text has nothing to read in it, or the set was altered.
    """
    kept, chain = _read(folder)
    new, known = _sift(kept, tickets)
    if not new:
        return Added(0, known, len(kept), chain.head)
    content = "".join(ticket.model_dump_json() + "\n" for ticket in (*kept, *new))
    facts = {
        "at": at,
        "actor": actor,
        "reason": reason,
        "added": len(new),
        "tickets": len(kept) + len(new),
        "sha256": _digest(content.encode()),
    }
    # The seal last: tickets it does not speak of are cut off when the set is read.
    write_text(folder / TICKETS, content)
    chain = append(folder / SEAL, chain, Addition.model_validate(facts | chain.next))
    return Added(len(new), known, len(kept) + len(new), chain.head)


def read_candidates(path: Path) -> list[GoldenTicket]:
    """Tickets from JSON lines with `text`, `labels` and perhaps `id` and `language`.

    Raises
    ------
    DataError
        If a line is none; the message names it and what is wrong.
    """
    found = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{path}: {type(error).__name__}") from None
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line)
            text = str(content["text"])
            given = {"id": hashlib.sha256(text.encode()).hexdigest()[:16]} | content
            found.append(GoldenTicket.model_validate(given))
        except (ValueError, TypeError, KeyError, ValidationError) as error:
            wrong = error.errors()[0] if isinstance(error, ValidationError) else None
            what = f"{wrong['loc']}: {wrong['msg']}" if wrong else type(error).__name__
            raise DataError(f"{path}, line {number}: {what}; expected text and labels") from None
    return found


def require_known_labels(
    tickets: Iterable[GoldenTicket], known: Mapping[str, Sequence[str]]
) -> None:
    """Raise DataError unless every label is one of its target's; empty means any."""
    for ticket in tickets:
        for target, label in ticket.labels.items():
            if target not in known:
                raise DataError(f"{ticket.id}: no target {target!r}; known: {', '.join(known)}")
            if known[target] and label not in known[target]:
                raise DataError(
                    f"{ticket.id}: {label!r} is not a {target}; known: {', '.join(known[target])}"
                )


def _read(folder: Path) -> tuple[tuple[GoldenTicket, ...], Chain[Addition]]:
    chain: Chain[Addition] = read_chain(folder / SEAL, Addition)
    path = folder / TICKETS
    if not chain.links:
        if path.exists() and path.stat().st_size:
            raise DataError(f"{path} has no {SEAL}: golden tickets are added by a command only")
        return (), chain
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise DataError(f"{path}: {type(error).__name__}; put the file back") from None
    sealed = lines[: chain.links[-1].tickets]
    if _digest(b"".join(sealed)) != chain.links[-1].sha256:
        raise DataError(f"{path} was altered: {SEAL} tells another sha256; put the file back")
    return tuple(GoldenTicket.model_validate_json(line) for line in sealed), chain


def _sift(
    kept: Sequence[GoldenTicket], given: Sequence[GoldenTicket]
) -> tuple[list[GoldenTicket], int]:
    """The tickets that are new, and how many were known."""
    by_key = dict(zip(copy_keys([ticket.text for ticket in kept]), kept, strict=True))
    by_id = {ticket.id: ticket for ticket in kept}
    new, known = [], 0
    for ticket in given:
        text = model_text(ticket.text)
        if not text:
            raise DataError(f"{ticket.id}: nothing to read in it")
        clean = ticket.model_copy(update={"text": text})
        (key,) = copy_keys([text])
        there = by_key.get(key)
        if there is not None:
            if there.labels != clean.labels:
                raise ConflictError(
                    f"{ticket.id}: the same text is golden with other labels, as {there.id}: "
                    "golden labels are not overwritten"
                )
            known += 1
            continue
        if clean.id in by_id:
            raise ConflictError(f"{clean.id} names another golden ticket: use another id")
        by_key[key] = by_id[clean.id] = clean
        new.append(clean)
    return new, known


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
