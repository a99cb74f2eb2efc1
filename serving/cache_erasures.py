"""Tells all who remember answers that something was erased, so that none answers from memory."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

from data.errors import StoreError
from serving.settings import Settings

FILE = ".erased"
"""In the folder of jobs, which all workers of a machine share. A byte is added for each erasure:
its size tells them apart where the clock of the file system does not."""


class Erasures:
    """A file that changes with every erasure; several processes may look and tell.

    Parameters
    ----------
    folder : made, closed to other users, with the first erasure
    shared : tells those of other machines
    """

    def __init__(self, folder: Path, shared: Callable[[], None] | None = None) -> None:
        self._file = folder / FILE
        self._shared = shared

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Of the cache that the settings ask for."""
        if settings.cache != "redis":
            return cls(settings.jobs_folder)
        from serving.cache_redis_erasures import tell_redis

        seconds = settings.store_timeout_seconds
        return cls(settings.jobs_folder, partial(tell_redis, settings.cache_address, seconds))

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
            If the disk fails, or a cache that machines share is not to be had: erase again.
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
        # After the file: workers of this machine then forget what is shared too, when it is back.
        if self._shared is not None:
            self._shared()
