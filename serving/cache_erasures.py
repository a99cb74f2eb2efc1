"""Tells all workers of a machine that something was erased, so that none answers from memory."""

import os
from pathlib import Path

from data.errors import StoreError

FILE = ".erased"
"""In the folder of jobs, which all workers of a machine share. A byte is added for each erasure:
its size tells them apart where the clock of the file system does not."""


class Erasures:
    """A file that changes with every erasure; several processes may look and tell.

    Parameters
    ----------
    folder : made, closed to other users, with the first erasure
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def look(self) -> tuple[int, int, int] | None:
        """What changes with an erasure; None before the first. Takes microseconds."""
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def tell(self) -> None:
        """Let every worker forget what it remembers before its next answer.

        Raises
        ------
        StoreError
            If the disk fails: erase again.
        """
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # One write at the end of the file, which no other process can come between.
            file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, b".")
            finally:
                os.close(file)
        except OSError as error:
            raise StoreError(f"workers cannot be told of an erasure: {error.strerror}") from error
