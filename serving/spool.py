"""Feedback kept on disk while the store cannot take it, and handed over in order when it can.

All workers of a machine share one folder, so that what people said keeps one order. Files are
filled one after the other under a lock; handing over renames them first, so that nobody writes into
a file that is being read.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from data.durable import sync_folder, write_text
from data.errors import DataError, StoreError
from data.store import Feedback
from serving.spool_files import append_durably, ends_whole, joined, locked, split
from serving.spool_keys import WaitingKeys

logger = logging.getLogger(__name__)

OPEN, SEALED, TORN, REFUSED = ".spool", ".sealed", ".torn", ".refused"
"""Files being written; being handed over; lines that are not whole; records the store refused."""

Send = Callable[[Sequence[Feedback]], object]


class Spool:
    """A queue of feedback on disk that survives a crash of the process and of the machine.

    Parameters
    ----------
    folder : made when the first record comes; shared by workers of one machine, not over a network
    max_bytes : of all files together; beyond it nothing more is taken
    file_bytes : size at which a new file is begun
    batch : records handed over at once, at most
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int = 64 << 20,
        file_bytes: int = 1 << 20,
        batch: int = 100,
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.file_bytes = file_bytes
        self.batch = batch
        self._writing = folder / ".append.lock"
        self._replaying = folder / ".replay.lock"
        self._keys = WaitingKeys()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be handed over, whichever worker put it there."""
        return not self._files(OPEN, SEALED)

    @property
    def bytes_waiting(self) -> int:
        """Of all that waits to be handed over, whichever worker put it there."""
        size = 0
        for file in self._files(OPEN, SEALED):
            with suppress(FileNotFoundError):  # Handed over meanwhile.
                size += file.stat().st_size
        return size

    def append(self, rows: Sequence[Feedback]) -> None:
        """Keep records, all or none; they are on disk when this returns.

        A record whose key and content wait already is not kept again.

        Raises
        ------
        ConflictError
            If a key waits already with other content.
        StoreError
            If the spool or the disk is full, or the disk fails.
        """
        try:
            self._make_folder()
            with locked(self._writing):
                self._keys.follow(self._files(OPEN, SEALED))
                content = joined(self._keys.fresh(rows))
                if self._bytes() + len(content) > self.max_bytes:
                    raise StoreError(f"the spool is full: it may hold {self.max_bytes} bytes")
                if content:
                    append_durably(self._current(len(content)), content)
        except OSError as error:
            raise StoreError(f"the spool cannot be written: {error.strerror}") from error

    def replay(self, send: Send) -> int:
        """Hand over what waits, the oldest first, until nothing waits; how many records that was.

        A file is removed after all of it was taken; one that is interrupted is handed over again
        from its beginning, and the store counts every key once. Records that the store refuses are
        set aside. At once 0 while another worker is handing over.

        Raises
        ------
        StoreError
            If the store does not take them now, or the disk fails; what was not taken stays.
        """
        if self.is_empty:
            return 0
        handed = 0
        try:
            with locked(self._replaying, wait=False) as mine:
                while mine and (files := self._seal()):
                    for file in files:
                        handed += self._hand_over(file, send)
        except OSError as error:
            raise StoreError(f"the spool cannot be read: {error.strerror}") from error
        return handed

    def erase(self, prediction_ids: Collection[str]) -> int:
        """Remove feedback on these predictions, also where it was set aside; how many records.

        Lines that are not whole are removed altogether: whose they were cannot be told.

        Raises
        ------
        StoreError
            If the disk fails.
        """
        if not self.folder.is_dir():
            return 0
        erased = 0
        try:
            with locked(self._replaying):
                self._seal()
                with locked(self._writing):
                    for file in self._files(SEALED, REFUSED):
                        rows, torn = split(file.read_bytes())
                        kept = [row for row in rows if row.prediction_id not in prediction_ids]
                        erased += len(rows) - len(kept)
                        if torn or len(kept) < len(rows):
                            _write_anew(file, kept)
                    for file in self._files(TORN):
                        file.unlink()
                    sync_folder(self.folder)
        except OSError as error:
            raise StoreError(f"the spool cannot be rewritten: {error.strerror}") from error
        return erased

    def count(self) -> dict[str, int]:
        """How many records `wait` and were `refused`, and how many lines are `torn`."""
        if not self.folder.is_dir():
            return {"waiting": 0, "refused": 0, "torn": 0}
        with locked(self._writing):  # a file that is renamed meanwhile would be missed
            return {
                "waiting": sum(len(split(_read(f)).rows) for f in self._files(OPEN, SEALED)),
                "refused": sum(len(split(_read(f)).rows) for f in self._files(REFUSED)),
                "torn": sum(_read(f).count(b"\n") for f in self._files(TORN)),
            }

    def _make_folder(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self.folder.parent)

    def _files(self, *suffixes: str) -> list[Path]:
        """The files that end so, the oldest first."""
        try:
            files = sorted(self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [file for file in files if file.suffix in suffixes]

    def _bytes(self) -> int:
        return sum(file.stat().st_size for file in self._files(OPEN, SEALED, TORN, REFUSED))

    def _current(self, more: int) -> Path:
        """The file to write into: the last one, unless it is full, torn or handed over."""
        files = self._files(OPEN, SEALED)
        last = files[-1] if files else None
        if last is not None and last.suffix == OPEN:
            size = last.stat().st_size
            if size == 0 or (size + more <= self.file_bytes and ends_whole(last)):
                return last
        # Not a counter: one that begins anew when all is handed over would use a name twice.
        number = max(time.time_ns(), 0 if last is None else int(last.stem.partition(".")[0]) + 1)
        return self.folder / f"{number:020d}{OPEN}"

    def _seal(self) -> list[Path]:
        """The files to hand over; nobody writes into them from here on."""
        with locked(self._writing):
            for file in self._files(OPEN):
                file.rename(file.with_suffix(SEALED))
            sync_folder(self.folder)
            return self._files(SEALED)

    def _hand_over(self, file: Path, send: Send) -> int:
        rows, torn = split(file.read_bytes())
        for start in range(0, len(rows), self.batch):
            part = rows[start : start + self.batch]
            if not _accepts(send, part):
                refused = [row for row in part if not _accepts(send, [row])]
                logger.warning("the store refused %d of %d records", len(refused), len(part))
                if refused:
                    append_durably(file.with_suffix(REFUSED), joined(refused))
        if torn:
            logger.warning("set aside %d torn lines of a spool file", len(torn))
            append_durably(file.with_suffix(TORN), b"\n".join((*torn, b"")))
        with locked(self._writing):  # who writes counts the files, and finds them all
            file.unlink()
            sync_folder(self.folder)
        return len(rows)


def _accepts(send: Send, rows: Sequence[Feedback]) -> bool:
    try:
        send(rows)
    except StoreError:
        raise
    except DataError:
        return False
    return True


def _write_anew(file: Path, rows: Sequence[Feedback]) -> None:
    """Put these records in place of a file, under a name of the same order that is used once."""
    if rows:
        number = file.stem.partition(".")[0]
        names = (file.with_name(f"{number}.{edition}{file.suffix}") for edition in count(1))
        write_text(next(name for name in names if not name.exists()), joined(rows).decode())
    file.unlink()


def _read(file: Path) -> bytes:
    """What a file holds; nothing if it was handed over meanwhile."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
