"""One drill from its start to its row."""

import time
from contextlib import closing
from pathlib import Path

from data.errors import StoreError
from evaluation.fault_records import FaultRow
from serving.bench.workplace import Workplace
from serving.drills.client import Steady
from serving.drills.drill import Drill, Finding
from serving.drills.lookup import Missing
from serving.drills.stage import Stage, rest

BEFORE = 2.0
"""Seconds that clients ask before anything is broken, and after all is mended."""


def run(drill: Drill, workplace: Workplace) -> FaultRow:
    """Start a service, let clients ask, break something, mend it, and look for what was told.

    Raises
    ------
    LackingError
        If this machine has not what the drill needs.
    DrillError, BenchError
        If it could not be carried out.
    """
    began = time.monotonic()
    stage = Stage(workplace, Path(workplace.fresh(f"drill-{drill.name}")), drill.workers)
    with closing(stage):
        drill.prepare(stage)
        stage.start()
        with Steady(stage.port, stage.ledger, drill.rate):
            rest(BEFORE)
            finding = drill.act(stage)
            rest(BEFORE)
        missing = settled(stage, finding)
        stage.stop()
    return row_of(drill, stage, finding, missing, time.monotonic() - began)


def settled(stage: Stage, finding: Finding) -> Missing:
    """What is nowhere once the service had time to hand over what waited."""
    try:
        missing = stage.kept.settle(stage.ledger, finding.may_lose, finding.patience)
    except StoreError as error:
        finding.broken.append(f"the store did not come back: {error}")
        everything = stage.ledger
        return Missing(
            frozenset(one.id for one in everything.predictions),
            frozenset(said.key for said in everything.feedback),
        )
    if waiting := stage.kept.spooled():
        finding.broken.append(f"{len(waiting)} records still wait on disk")
    return missing


def row_of(
    drill: Drill, stage: Stage, finding: Finding, missing: Missing, seconds: float
) -> FaultRow:
    """What is kept of a drill.

    Parameters
    ----------
    missing : what was acknowledged and is nowhere
    """
    allowed = missing.predictions & set(finding.may_lose)
    lost = missing.number - len(allowed)
    finding.expect(lost == 0, f"{lost} acknowledged records are nowhere")
    ledger = stage.ledger
    return FaultRow(
        fault=drill.name,
        promise=drill.promise,
        observed="; ".join(finding.observed) or "nothing",
        requests_sent=ledger.sent,
        requests_failed=len(ledger.failures),
        records_acknowledged=ledger.acknowledged,
        records_lost=missing.number,
        loss_allowed=len(allowed),
        broken=tuple(finding.broken),
        held=not finding.broken,
        seconds=round(seconds, 1),
    )
