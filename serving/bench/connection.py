"""One connection of a client that costs little, so that the load leaves the cores to the server.

A full HTTP client takes up to a millisecond of a processor per request, as much as what is
measured. Here the bytes of a request are ready before it is sent, and of the answer only status and
length are read, by the parser that uvicorn uses.
"""

import asyncio
from typing import Self

import httptools


class Connection(asyncio.Protocol):
    """Keeps one HTTP/1.1 connection open and carries one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self.open = False

    @classmethod
    async def to(cls, host: str, port: int) -> Self:
        """A connection that is open; OSError where nobody listens."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    async def ask(self, request: bytes) -> int:
        """The status of the answer, once the whole of it has arrived.

        Raises
        ------
        ConnectionError
            If the connection breaks before, or what comes is not HTTP.
        """
        if self._transport is None or not self.open:
            raise ConnectionResetError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close it; nothing happens where it is closed already."""
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail(ConnectionError("the answer is not HTTP"))
            self.close()

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._fail(ConnectionResetError("the server closed the connection"))

    def _fail(self, error: ConnectionError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
