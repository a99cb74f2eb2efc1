"""Command: send one load from a process of its own; JSON in on standard input, JSON out.

A line `begin` is written when the warm-up is over and the measurement begins.

A closed loop has so many clients, and each sends its next request when the one before is answered:
it finds the throughput. An open loop sends at moments fixed beforehand, and latency counts from
those: a server that stalls is not spared the requests that would have come meanwhile (Tene's
"coordinated omission").
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np

from serving.bench.connection import Connection
from serving.bench.load import HttpLoad, Outcome, arrivals
from serving.bench.texts import (
    begun_large,
    repeated_texts,
    request_head,
    requests,
    unique_texts,
)

RECONNECT = 50
"""Requests of one connection. Workers that share a port keep the connections they accepted, and a
client that stays with one would measure the luck of that draw; load balancers reconnect too."""

STAGGER = 0.005
"""Seconds between the first connections of two clients, for the same reason."""

RETRY = 0.1
"""Seconds before a client whose connection was refused tries again."""

MOST_OPEN = 1_000
"""Connections at once; beyond it a request waits for a free one, and its latency tells so."""


class Tally:
    """What became of the requests of one load."""

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.last = begin
        self.milliseconds: list[float] = []
        self.failures: Counter[str] = Counter()
        self.late: list[float] = []
        self.cpu_began = 0.0

    def note(self, status: int, since: float, now: float) -> None:
        """Count an answer: one that is not 200 has failed, however fast it came."""
        self.last = max(self.last, now)
        if status == 200:
            self.milliseconds.append(1000 * (now - since))
        else:
            self.failures[str(status)] += 1

    def outcome(self, seconds: float, cpu_ended: float) -> Outcome:
        """All of it, of a measurement that took so long."""
        return Outcome(
            seconds=seconds,
            milliseconds=tuple(round(found, 3) for found in self.milliseconds),
            failures=dict(self.failures),
            late=tuple(round(found, 3) for found in self.late),
            cpu_seconds=max(0.0, cpu_ended - self.cpu_began),
        )


async def send(load: HttpLoad, begun: Callable[[], None] = lambda: None) -> Outcome:
    """Send a load to a server that listens, and tell what came back.

    Parameters
    ----------
    begun : called when the warm-up is over
    """
    texts = json.loads(load.texts.read_text(encoding="utf-8"))
    drawn = (repeated_texts if load.repeated else unique_texts)(texts, load.seed, load.stream)
    if load.capitals:
        drawn = begun_large(drawn)
    bodies = requests(drawn, request_head(load.host, load.path), listed=load.listed)
    loop = asyncio.get_running_loop()
    tally = Tally(loop.time() + load.warm)

    def begin() -> None:
        begun()
        tally.cpu_began = time.process_time()

    loop.call_at(tally.begin, begin)
    if load.clients is not None:
        return await _closed(load, load.clients, bodies, tally)
    assert load.rate is not None
    return await _open(load, load.rate, bodies, tally)


async def _closed(load: HttpLoad, clients: int, bodies: Iterator[bytes], tally: Tally) -> Outcome:
    loop = asyncio.get_running_loop()
    end = tally.begin + load.seconds

    async def client(number: int) -> None:
        await asyncio.sleep(number * STAGGER)
        connection, asked = None, 0
        while (sent := loop.time()) < end:
            try:
                if connection is None or not connection.open or asked % RECONNECT == 0:
                    if connection is not None:
                        connection.close()
                    connection = await Connection.to(load.host, load.port)
                asked += 1
                status = await connection.ask(next(bodies))
            except OSError as error:
                connection = None
                if tally.begin <= loop.time() < end:
                    tally.failures[type(error).__name__] += 1
                await asyncio.sleep(RETRY)
                continue
            # An answer counts where it arrives, so that the rate is that of the window.
            if tally.begin <= (now := loop.time()) < end:
                tally.note(status, sent, now)
        if connection is not None:
            connection.close()

    cpu_ended = 0.0

    def ended() -> None:
        nonlocal cpu_ended
        cpu_ended = time.process_time()

    loop.call_at(end, ended)
    tasks = [asyncio.create_task(client(number)) for number in range(clients)]
    await _finish(tasks, end + load.patience - loop.time(), tally)
    return tally.outcome(load.seconds, cpu_ended)


async def _open(load: HttpLoad, rate: float, bodies: Iterator[bytes], tally: Tally) -> Outcome:
    loop = asyncio.get_running_loop()
    start = tally.begin - load.warm
    draw = np.random.default_rng([load.seed, load.stream])
    free: list[Connection] = []
    places = asyncio.Semaphore(MOST_OPEN)

    async def one(planned: float, request: bytes) -> None:
        measured = planned >= tally.begin
        try:
            async with places:
                while free and not free[-1].open:
                    free.pop()
                connection = free.pop() if free else await Connection.to(load.host, load.port)
                if measured:
                    tally.late.append(1000 * (loop.time() - planned))
                status = await connection.ask(request)
                if connection.open:
                    free.append(connection)
        except OSError as error:
            if measured:
                tally.failures[type(error).__name__] += 1
            return
        if measured:
            tally.note(status, planned, loop.time())

    tasks: list[asyncio.Task[None]] = []
    for moment in arrivals(rate, load.warm + load.seconds, draw):
        if (pause := start + moment - loop.time()) > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one(start + moment, next(bodies))))
    await _finish(tasks, load.patience, tally)
    for connection in free:
        connection.close()
    return tally.outcome(max(load.seconds, tally.last - tally.begin), time.process_time())


async def _finish(tasks: list[asyncio.Task[None]], seconds: float, tally: Tally) -> None:
    """Wait for the last answers; those that do not come are failures."""
    if not tasks:
        return
    done, pending = await asyncio.wait(tasks, timeout=seconds)
    for task in done:
        task.result()
    for task in pending:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    if pending:
        tally.failures["unanswered"] += len(pending)


def main() -> None:
    load = HttpLoad.model_validate_json(sys.stdin.readline())

    def tell_begun() -> None:
        sys.stdout.write("begin\n")
        sys.stdout.flush()

    sys.stdout.write(asyncio.run(send(load, tell_begun)).model_dump_json() + "\n")


if __name__ == "__main__":
    main()
