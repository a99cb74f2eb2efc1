"""Ten thousand clients that begin a request and never end it."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from serving.bench.processes import ROOT, end
from serving.drills.drill import Drill, Finding
from serving.drills.ledger import in_words
from serving.drills.stage import LackingError, Stage, rest, until

CROWD = 10_000
STAYS = 8.0
"""Seconds from the last one's coming until all are to be gone."""

PATIENCE = 5
"""`receive_seconds` of the service, less than the crowd stays."""

FILES = 1024
"""Files that each of its processes may open: fewer than come, so that room has to be made."""


class Crowd:
    """What the process of `crowd` tells of itself."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.told: dict[str, Any] = {"whole": False, "came": 0, "closed": 0}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told = json.loads(line)


@contextmanager
def crowd(port: int, number: int) -> Iterator[Crowd]:
    """So many slow clients, until the end of the block."""
    process = subprocess.Popen(  # noqa: S603 - a module of ours
        [sys.executable, "-m", "serving.drills.crowd", str(port), str(number)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Crowd(process)
    finally:
        end(process)


def few_files(stage: Stage) -> None:
    """Start the service with room for few, and do not wait long for what does not come."""

    def wrap(command: Sequence[str]) -> Sequence[str]:
        return ["/bin/sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh", *command]

    stage.wrap = wrap
    stage.settings["TICKETS_RECEIVE_SECONDS"] = str(PATIENCE)


def come_slowly(stage: Stage) -> Finding:
    """Let ten thousand come, wait, let them go."""
    finding, began = Finding(), time.monotonic()
    with crowd(stage.port, CROWD) as slow:

        def there() -> bool:
            if slow.process.poll() is not None:
                assert slow.process.stderr is not None
                raise LackingError(slow.process.stderr.read().decode().strip())
            return bool(slow.told["whole"])

        until(there, f"{CROWD} clients have come", 120.0)
        rest(STAYS)
        told, ended = slow.told, time.monotonic()
    failures = stage.ledger.failures
    finding.saw(
        f"{told['came']} came, {told['closed']} of them were hung up on; slowest ticket beside "
        f"them {stage.ledger.slowest(began, ended):.2f} s, failed: {in_words(failures)}"
    )
    finding.expect(told["came"] >= CROWD, f"only {told['came']} could connect")
    left = told["came"] - told["closed"]
    finding.expect(not left, f"{left} of {told['came']} were not hung up on")
    finding.expect(not failures, f"others failed: {in_words(failures)}")
    return finding


SLOW = (
    Drill(
        "slow-clients",
        f"{CROWD:,} clients that send a header line a second and never an end are hung up on, and "
        "others are answered",
        come_slowly,
        few_files,
    ),
)
