"""Command: answer tickets without any HTTP, as fast as the runtime can; the limit of a service.

A load comes as JSON in one line on standard input; once the bundle is loaded `ready` is written,
and the next line begins the work. `clients` of the load is the number of tickets of one call, and
each of them took as long as its call. The bundle is loaded as our service loads it.
"""

import json
import os
import sys
import time
from itertools import islice
from pathlib import Path

from data.schema import Ticket
from serving.batching import Assistant
from serving.bench.load import Load, Outcome
from serving.bench.texts import begun_large, repeated_texts, unique_texts


def answer(assistant: Assistant, load: Load) -> Outcome:
    """Answer for as long as the load says, one call after the other.

    Raises
    ------
    ValueError
        If the load is an open loop: without a queue nothing can arrive.
    """
    if load.clients is None:
        raise ValueError("the runtime itself has no open loop")
    texts = json.loads(load.texts.read_text(encoding="utf-8"))
    drawn = (repeated_texts if load.repeated else unique_texts)(texts, load.seed, load.stream)
    if load.capitals:
        drawn = begun_large(drawn)

    def call() -> None:
        size = load.clients or 1
        assistant.predict([Ticket(text=text) for text in islice(drawn, size)])

    warm_until = time.monotonic() + load.warm
    while time.monotonic() < warm_until:
        call()
    milliseconds: list[float] = []
    cpu_began, begin = time.process_time(), time.monotonic()
    now = begin
    while now < begin + load.seconds:
        since = now
        call()
        now = time.monotonic()
        milliseconds += [round(1000 * (now - since), 3)] * load.clients
    return Outcome(
        seconds=now - begin,
        milliseconds=tuple(milliseconds),
        cpu_seconds=time.process_time() - cpu_began,
    )


def main() -> None:
    from serving.service import load_bundle

    load = Load.model_validate_json(sys.stdin.readline())
    _, assistant = load_bundle(Path(os.environ["BENCH_BUNDLE"]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(answer(assistant, load).model_dump_json() + "\n")


if __name__ == "__main__":
    main()
