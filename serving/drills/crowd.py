"""Command: open so many connections and send on each a header line now and then, never an end.

python -m serving.drills.crowd PORT NUMBER

A process of its own, so that it has file descriptors enough and takes nothing from who is watched.
Writes a line of JSON whenever it has looked: how many are open, and how many were closed on it.
"""

import asyncio
import json
import resource
import sys
from contextlib import suppress

from serving.bench.systems.catalogue import HOST

AT_ONCE = 200
"""Connections opened at the same time."""

EVERY = 1.0
"""Seconds between two lines of header."""

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\n"
SPARE = 100


class Slow(asyncio.Protocol):
    """One of the crowd; `closed` once the service hung up."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True

    def go_on(self) -> None:
        """Send another line."""
        if self.transport is not None and not self.closed:
            self.transport.write(b"X-Slow: 1\r\n")


async def gather(port: int, number: int) -> None:
    """Come, and stay until the process is ended."""
    loop = asyncio.get_running_loop()
    crowd: list[Slow] = []

    async def come() -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(30):
                _, one = await loop.create_connection(Slow, HOST, port)
            crowd.append(one)

    for begin in range(0, number, AT_ONCE):
        await asyncio.gather(*(come() for _ in range(min(AT_ONCE, number - begin))))
        _tell(crowd, whole=False)
    while True:
        for one in crowd:
            one.go_on()
        _tell(crowd, whole=True)
        await asyncio.sleep(EVERY)


def _tell(crowd: list[Slow], *, whole: bool) -> None:
    closed = sum(one.closed for one in crowd)
    told = {"whole": whole, "came": len(crowd), "closed": closed}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def allow_files(number: int) -> bool:
    """Let this process open so many files; False where the system does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= number or soft == resource.RLIM_INFINITY:
        return True
    if hard != resource.RLIM_INFINITY and hard < number:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    except (OSError, ValueError, OverflowError):
        return False
    return True


def main() -> None:
    port, number = int(sys.argv[1]), int(sys.argv[2])
    if not allow_files(number + SPARE):
        sys.exit(f"this system allows a process fewer than {number + SPARE} open files")
    asyncio.run(gather(port, number))


if __name__ == "__main__":
    main()
