"""Which keys wait in the spool, so that one used for something else is known at once."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import ConflictError
from data.store import Feedback
from serving.spool_files import split


@dataclass
class _Seen:
    """How far a file was read, and key -> digest of what stands there."""

    size: int = 0
    keys: dict[str, bytes] = field(default_factory=dict)


class WaitingKeys:
    """An index that follows the files of a spool, also those that other workers write.

    Ask it under the lock of the writers. It relies on names that are used once: what was read of a
    file stays true until its name is gone.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def follow(self, files: Iterable[Path]) -> None:
        """Read what was written since the last time."""
        before, self._seen = self._seen, {}
        for file in files:
            seen = self._seen[file.stem] = before.get(file.stem) or _Seen()
            if seen.size < file.stat().st_size:
                with file.open("rb") as reader:
                    reader.seek(seen.size)
                    content = reader.read()
                seen.keys |= {row.key: _digest(row) for row in split(content).rows}
                seen.size += len(content)

    def fresh(self, rows: Sequence[Feedback]) -> list[Feedback]:
        """The records that do not wait yet.

        Raises
        ------
        ConflictError
            If a key waits with other content, or stands twice here with different content.
        """
        here: dict[str, bytes] = {}
        fresh = []
        for row in rows:
            content = _digest(row)
            known = here.get(row.key) or self._find(row.key)
            if known is None:
                here[row.key] = content
                fresh.append(row)
            elif known != content:
                raise ConflictError("a key waits in the spool with other content: use a new key")
        return fresh

    def _find(self, key: str) -> bytes | None:
        return next((s.keys[key] for s in self._seen.values() if key in s.keys), None)


def _digest(row: Feedback) -> bytes:
    """Of what a person said; a repetition comes in later, with another request."""
    said = row.model_dump_json(exclude={"key", "at", "correlation"})
    return hashlib.sha256(said.encode()).digest()
