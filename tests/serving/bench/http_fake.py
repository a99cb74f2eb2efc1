"""A server of a few lines on the loopback interface, in the loop of whoever asks it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[[bytes], Awaitable[int]]
"""From the body of a request to a status; None as status breaks the connection."""


@dataclass
class FakeServer:
    """What it was asked, and over how many connections."""

    port: int = 0
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[FakeServer]:
    """Keep connections alive and answer each request by a function; status 0 closes instead."""
    seen = FakeServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                seen.bodies.append(body)
                status = await answer(body)
                if not status:
                    break
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
