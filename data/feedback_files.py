"""Feedback in files: one immutable, dated batch after another, and a chain that seals them.

    data/raw/feedback/
      manifest.jsonl                          what was done to which batch, a chain of digests
      2026-11-26T091500Z-1.rows.jsonl         rows that can be learned from
      2026-11-26T091500Z-1.rejected.jsonl     rows that cannot, each with its reason
      2026-11-26T091500Z-1.proposals.jsonl    rows with labels that the bundle did not know

The one permitted change of a batch is an erasure: its files are written anew without the erased
rows, and the chain tells how many went.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from data.chain import Chain, append, read_chain
from data.durable import write_text
from data.errors import DataError
from data.feedback_rows import Entry, FeedbackRow, FileSeal, Part, Scope

logger = logging.getLogger(__name__)

FEEDBACK = Path("data/raw/feedback")
MANIFEST = "manifest.jsonl"
PARTS: tuple[Part, ...] = get_args(Part)

_WAITING = ".new"
_OURS = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z-\d+\.(rows|rejected|proposals)\.jsonl(\.new)?")


@dataclass(frozen=True)
class Batch:
    """One batch as the chain tells it.

    Attributes
    ----------
    files : what its files must be now
    quarantines : numbers of the entries that hold rows back -> which rows; released ones left out
    released : whether a person let go what was held back, and nothing was since: they vouch for it
    erased : rows that erasures took away
    """

    name: str
    collected: Entry
    files: Mapping[Part, FileSeal]
    quarantines: Mapping[int, Scope]
    released: bool = False
    revoked: bool = False
    erased: int = 0

    def held_by(self, row: FeedbackRow) -> int | None:
        """Number of the first quarantine that holds a row back; None: none does."""
        return next((n for n, scope in self.quarantines.items() if scope.holds(row)), None)


class FeedbackFiles:
    """The batches of a folder.

    Parameters
    ----------
    folder : need not exist; what does not stand in its manifest is not read

    Raises
    ------
    DataError
        If the manifest was altered.
    """

    def __init__(self, folder: Path = FEEDBACK) -> None:
        self.folder = folder
        self.chain: Chain[Entry] = read_chain(folder / MANIFEST, Entry)

    @property
    def batches(self) -> dict[str, Batch]:
        """Every batch by name, in the order of collecting."""
        found: dict[str, Batch] = {}
        for entry in self.chain.links:
            found[entry.batch] = _follow(found.get(entry.batch), entry)
        return found

    def batch(self, name: str) -> Batch:
        """One batch; DataError with the known ones if there is none of that name."""
        found = self.batches
        if name not in found:
            known = ", ".join(list(found)[-5:]) or "none"
            raise DataError(f"{self.folder}: no batch {name!r}; the newest are: {known}")
        return found[name]

    def read(self, batch: Batch, part: Part = "rows") -> list[FeedbackRow]:
        """The rows of one file of a batch, in its order.

        Raises
        ------
        DataError
            If the file is missing or its bytes are not those the chain promises.
        """
        if part not in batch.files:
            return []
        path = self._path(batch.name, part)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: {type(error).__name__}; put the file back") from None
        if hashlib.sha256(content).hexdigest() != batch.files[part].sha256:
            raise DataError(
                f"{path} was altered: its sha256 is not the one in {MANIFEST}; put back the copy "
                f"it speaks of, or revoke the batch"
            )
        try:
            return [FeedbackRow.model_validate_json(line) for line in content.splitlines()]
        except ValidationError as error:
            raise DataError(f"{path}: {error.errors()[0]['msg']}") from None

    def add(self, parts: Mapping[Part, Sequence[FeedbackRow]], actor: str, at: datetime) -> Batch:
        """Write a new batch; its files can be read by everybody and written by nobody."""
        name = f"{at:%Y-%m-%dT%H%M%S}Z-{len(self.batches) + 1}"
        files = {part: self._write(name, part, rows) for part, rows in parts.items() if rows}
        counts = {part: len(rows) for part, rows in parts.items()}
        self._append(kind="collected", batch=name, at=at, actor=actor, files=files, counts=counts)
        return self.batch(name)

    def quarantine(
        self, name: str, scope: Scope, reasons: Sequence[str], actor: str, at: datetime
    ) -> int:
        """Hold rows of a batch back; the number under which they can be released."""
        self._require_open(name)
        self._append(
            kind="quarantined", batch=name, at=at, actor=actor, reasons=reasons, scope=scope
        )
        return len(self.chain.links)

    def release(self, name: str, reason: str, actor: str, at: datetime) -> None:
        """Let all rows of a batch go that are held back.

        Raises
        ------
        DataError
            If none is held back, or the batch is revoked.
        """
        if not self._require_open(name).quarantines:
            raise DataError(f"{name}: nothing of it is in quarantine")
        self._append(kind="released", batch=name, at=at, actor=actor, reasons=[reason])

    def revoke(self, name: str, reason: str, actor: str, at: datetime) -> None:
        """Never learn from a batch again; DataError if it is revoked already."""
        self._require_open(name)
        self._append(kind="revoked", batch=name, at=at, actor=actor, reasons=[reason])

    def erase(self, gone: Callable[[FeedbackRow], bool], actor: str, at: datetime) -> int:
        """Write every batch anew without some rows; how many went."""
        total = 0
        for batch in self.batches.values():
            kept: dict[Part, list[FeedbackRow]] = {}
            lost = {}
            for part in batch.files:
                rows = self.read(batch, part)
                kept[part] = [row for row in rows if not gone(row)]
                lost[part] = len(rows) - len(kept[part])
            if any(lost.values()):
                # Beside the old files until the chain tells of it, so that a crash at any moment
                # leaves something that `settle` can bring to an end.
                files = {
                    part: self._write(batch.name, part, rows, _WAITING)
                    for part, rows in kept.items()
                }
                self._append(
                    kind="erased", batch=batch.name, at=at, actor=actor, files=files, counts=lost
                )
                self.settle()
                total += sum(lost.values())
        return total

    def settle(self) -> list[str]:
        """Bring to an end what was interrupted; names of files that were removed as unsealed."""
        sealed = {
            self._path(name, part).name: seal
            for name, batch in self.batches.items()
            for part, seal in batch.files.items()
        }
        removed = []
        for path in sorted(self.folder.glob("*.jsonl*")) if self.folder.is_dir() else []:
            place = path.with_name(path.name.removesuffix(_WAITING))
            if path != place and _is_sealed(path, sealed.get(place.name)):
                path.replace(place)
            elif _OURS.fullmatch(path.name) and path.name not in sealed:
                path.unlink()
                removed.append(path.name)
        return removed

    def _require_open(self, name: str) -> Batch:
        batch = self.batch(name)
        if batch.revoked:
            raise DataError(f"{name} is revoked: nothing of it is learned from")
        return batch

    def _append(self, **facts: Any) -> None:
        entry = Entry.model_validate(facts | self.chain.next)
        self.chain = append(self.folder / MANIFEST, self.chain, entry)

    def _path(self, name: str, part: Part) -> Path:
        return self.folder / f"{name}.{part}.jsonl"

    def _write(
        self, name: str, part: Part, rows: Sequence[FeedbackRow], suffix: str = ""
    ) -> FileSeal:
        path = self._path(name, part)
        path = path.with_name(path.name + suffix)
        content = "".join(row.model_dump_json() + "\n" for row in rows)
        write_text(path, content)
        path.chmod(0o444)
        return FileSeal(sha256=hashlib.sha256(content.encode()).hexdigest(), rows=len(rows))


def _is_sealed(path: Path, seal: FileSeal | None) -> bool:
    return seal is not None and hashlib.sha256(path.read_bytes()).hexdigest() == seal.sha256


def _follow(batch: Batch | None, entry: Entry) -> Batch:
    """What an entry makes of a batch."""
    if entry.kind == "collected":
        return Batch(entry.batch, entry, entry.files, {})
    if batch is None:
        raise DataError(f"{MANIFEST}, line {entry.number} speaks of an unknown batch")
    facts = dict(vars(batch))
    if entry.kind == "erased":
        facts |= {"files": entry.files, "erased": batch.erased + sum(entry.counts.values())}
    elif entry.kind == "quarantined":
        held = dict(batch.quarantines) | {entry.number: entry.scope or Scope()}
        facts |= {"quarantines": held, "released": False}
    elif entry.kind == "released":
        facts |= {"quarantines": {}, "released": True}
    else:
        facts["revoked"] = True
    return Batch(**facts)
