"""Processes that end without warning."""

import os
import signal
import time

from serving.drills.drill import Drill, Finding
from serving.drills.ledger import in_words
from serving.drills.stage import RECORD_LAG, Stage, rest, until

AT_ONCE = 1.0
"""Seconds after a kill in which requests that were under way are seen to fail."""

AFTER = 5.0
"""Seconds for which the others answer before they are judged."""

WRITING = 0.5
"""Seconds beyond the lag in which what has gathered is written."""

LOOKS = 5


def at_risk(stage: Stage) -> float:
    """Seconds before now whose predictions a kill may cost: gathered, or waiting for the store.

    A busy machine takes longer than the lag to write; how long, a few looks at the store tell.
    """
    behind = 0.0
    for _ in range(LOOKS):
        behind = max(behind, stage.kept.behind(stage.ledger))
        rest(0.2)
    return max(RECORD_LAG, behind) + WRITING


def kill_worker(stage: Stage) -> Finding:
    """Kill one of the workers under load."""
    finding = Finding()
    before, lag = stage.worker_pids(), at_risk(stage)
    killed = time.monotonic()
    os.kill(before[0], signal.SIGKILL)
    back = until(
        lambda: len(stage.worker_pids()) == len(before) and before[0] not in stage.worker_pids(),
        "a new worker in its place",
    )
    rest(AFTER)
    late = stage.ledger.outside(killed, killed + AT_ONCE)
    finding.may_lose = stage.ledger.told_between(killed - lag, killed + 0.1)
    finding.saw(
        f"a new process after {back:.1f} s, failed: {in_words(stage.ledger.failures)}; the store "
        f"was up to {lag - WRITING:.1f} s behind"
    )
    finding.expect(not late, f"failed although another worker was there: {in_words(late)}")
    return finding


def kill_service(stage: Stage) -> Finding:
    """Kill every process of the service under load and start it again in the same place."""
    finding, lag = Finding(), at_risk(stage)
    killed = time.monotonic()
    stage.kill()
    stage.start()
    ready = time.monotonic()
    late = stage.ledger.outside(killed, ready)
    if stage.settings.get("TICKETS_RECORD_LAG_MS") != "0":
        finding.may_lose = stage.ledger.told_between(killed - lag, killed + 0.1)
    finding.saw(
        f"answers again {ready - killed:.1f} s after the kill; the store was up to "
        f"{lag - WRITING:.1f} s behind"
    )
    finding.expect(not late, f"failed although it was up: {in_words(late)}")
    return finding


def without_lag(stage: Stage) -> None:
    """Have predictions written before they are told."""
    stage.settings["TICKETS_RECORD_LAG_MS"] = "0"


KILLS = (
    Drill(
        "worker-killed",
        "the other workers go on, only what the killed one was answering fails, and another takes "
        "its place; feedback stays, of predictions at most those told within TICKETS_RECORD_LAG_MS "
        "before are lost",
        kill_worker,
    ),
    Drill(
        "service-killed",
        "it answers again when it is started again; feedback stays, of predictions at most those "
        "told within TICKETS_RECORD_LAG_MS before the kill are lost",
        kill_service,
    ),
    Drill(
        "service-killed-lag-0",
        "with TICKETS_RECORD_LAG_MS=0 nothing that was told is lost",
        kill_service,
        without_lag,
    ),
)
