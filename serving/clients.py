"""How much of the queue one client may fill, so that there is room for the others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, Request

from serving.principals import principal_of
from serving.problems import ClientOverloadedError


async def find_client(request: Request) -> str:
    """Who asks, by name; else the address of the connection, which behind a proxy all share."""
    name = principal_of(request.scope).name
    return name or ("" if request.client is None else request.client.host)


Client = Annotated[str, Depends(find_client)]


class Clients:
    """Counts the tickets of each client that are accepted and not yet answered.

    Only those who wait are remembered. Call it from one event loop.

    Parameters
    ----------
    limit : tickets of one client, at most; None: no limit
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._waiting: Counter[str] = Counter()

    def __len__(self) -> int:
        """Clients that wait for something."""
        return len(self._waiting)

    @contextmanager
    def admitted(self, client: str, tickets: int) -> Iterator[None]:
        """Count tickets as waiting.

        Raises
        ------
        ClientOverloadedError
            At once, when the client would have more of them waiting than it may.
        """
        if self._limit is None:
            yield
            return
        waiting = self._waiting[client]
        if waiting + tickets > self._limit:
            raise ClientOverloadedError(waiting, self._limit)
        self._waiting[client] += tickets
        try:
            yield
        finally:
            self._waiting[client] -= tickets
            if not self._waiting[client]:
                del self._waiting[client]
