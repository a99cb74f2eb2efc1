"""Carries bytes to a socket and back, later than they came."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from serving.bench.systems.catalogue import HOST

CHUNK = 1 << 16


class SlowProxy:
    """Listens on a port of the loopback interface, in a thread, from `with` to its end.

    Attributes
    ----------
    delay : seconds that each piece waits in either direction
    """

    def __init__(self, target: Path) -> None:
        self.delay = 0.0
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow-proxy", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._carry, HOST, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_unix_connection(str(self._target))
            await asyncio.gather(
                self._pump(reader.read, far_writer), self._pump(far_reader.read, writer)
            )

    async def _pump(
        self, read: Callable[[int], Awaitable[bytes]], writer: asyncio.StreamWriter
    ) -> None:
        try:
            with suppress(OSError):
                while content := await read(CHUNK):
                    if self.delay:
                        await asyncio.sleep(self.delay)
                    writer.write(content)
                    await writer.drain()
        finally:
            writer.close()
