"""A file of JSON lines that only grows: each line carries the digest of the line before it.

An altered, missing or moved line breaks the chain from there on. Who can write the whole file can
also make a new chain, so the newest digest is told to the audit log of the store as well: see
`require_anchored`.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import Field, ValidationError

from data.durable import write_text
from data.errors import DataError
from data.schema import NonEmpty, Record

START = "0" * 64
"""What the first line carries in place of a digest."""


class Link(Record):
    """A line of a chain."""

    number: int = Field(ge=1)
    previous: NonEmpty = Field(pattern="^[0-9a-f]{64}$", description="sha256 of the line before")


L = TypeVar("L", bound=Link)


class Chain(Generic[L]):
    """The lines of one file, verified when it is read.

    Parameters
    ----------
    links : in the order of the file
    digests : sha256 of each line
    """

    def __init__(self, links: Iterable[L] = (), digests: Iterable[str] = ()) -> None:
        self.links = tuple(links)
        self.digests = tuple(digests)

    @property
    def head(self) -> str:
        """Digest of the newest line."""
        return self.digests[-1] if self.digests else START

    @property
    def next(self) -> dict[str, object]:
        """`number` and `previous` of the line to come."""
        return {"number": len(self.links) + 1, "previous": self.head}


def read_chain(path: Path, kind: type[L]) -> Chain[L]:
    """The chain in a file; an empty one where there is no file.

    Raises
    ------
    DataError
        If a line cannot be read or does not follow from the line before it.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return Chain()
    links, digests, previous = [], [], START
    for number, line in enumerate(lines, start=1):
        try:
            link = kind.model_validate_json(line)
        except ValidationError as error:
            raise DataError(
                f"{path}, line {number}: no {kind.__name__}: {error.errors()[0]['msg']}"
            ) from None
        if (link.number, link.previous) != (number, previous):
            raise DataError(
                f"{path}, line {number} does not follow from the line before it: the file was "
                "altered; put back the copy whose newest digest the audit log of the store tells"
            )
        previous = _digest(line)
        links.append(link)
        digests.append(previous)
    return Chain(links, digests)


def append(path: Path, chain: Chain[L], link: L) -> Chain[L]:
    """The chain with one line more, on disk as well; the file is replaced in one step.

    Raises
    ------
    DataError
        If the line does not follow, or the file has changed since `chain` was read.
    """
    if (link.number, link.previous) != tuple(chain.next.values()):
        raise DataError(f"{path}: line {link.number} does not follow line {len(chain.links)}")
    if read_chain(path, type(link)).head != chain.head:
        raise DataError(f"{path} has changed meanwhile: do it again")
    line = json.dumps(link.model_dump(mode="json"), ensure_ascii=False)
    before = path.read_text("utf-8") if path.exists() else ""
    write_text(path, f"{before}{line}\n")
    return Chain((*chain.links, link), (*chain.digests, _digest(line.encode())))


def require_anchored(path: Path, chain: Chain[L], head: object) -> None:
    """Raise DataError unless a digest that was told elsewhere belongs to the chain; None is fine.

    What was appended after it was told may not have been told yet.
    """
    if head is not None and head not in (START, *chain.digests):
        raise DataError(
            f"{path} is not the file that the audit log of the store speaks of (it tells the "
            f"digest {str(head)[:12]}): put back the right copy"
        )


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
