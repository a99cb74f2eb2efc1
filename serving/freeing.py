"""Memory of bundles that serve no more goes back to the system, not only to the process."""

import ctypes
import gc
import sys
import weakref
from collections.abc import Iterable

from data.collecting import collect_seldom

MAX_COLLECTIONS = 20
"""Attempts to free a former bundle; each stops all threads of the worker for a moment."""


class Former:
    """Bundles that were replaced, until nobody holds them any more.

    Networks are reference cycles, which Python leaves for later, and the C library keeps what it
    was given back for the next allocation: without a push, a worker grows by a bundle per swap
    until either thinks of it. A bundle itself is no cycle and goes with its last request, its
    networks with the first collection after that.

    Parameters
    ----------
    spare : what is left then is frozen until the next bundle comes, so that collections pass over
        it; of a process that is there to serve
    """

    def __init__(self, *, spare: bool = False) -> None:
        self._spare = spare
        self._leaving: list[weakref.ref[object]] = []
        self._collections = 0
        self._untidy = False

    def leave(self, bundles: Iterable[object]) -> None:
        """Free these when their last request has ended; to be called after every load."""
        self._leaving += [weakref.ref(bundle) for bundle in bundles]
        self._collections = MAX_COLLECTIONS
        self._untidy = True

    def tidy(self) -> None:
        """Free what can be freed now; does nothing where nothing was replaced."""
        if not self._untidy:
            return
        gone = not self._alive()
        if not gone:
            if not self._collections:
                return
            self._collections -= 1
        if self._spare:
            gc.unfreeze()
        gc.collect()
        if gone:
            self._untidy = False
            if self._spare:
                collect_seldom()
            trim()

    def _alive(self) -> bool:
        self._leaving = [former for former in self._leaving if former() is not None]
        return bool(self._leaving)


def trim() -> None:
    """Hand free pages back to the system, where the C library is one that can."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
