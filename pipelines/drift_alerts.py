"""When drift is an alert: once when it begins or asks for something else, and then now and again.

Two commands look at drift, `pipelines.drift --log` and `pipelines.monitor`. Both write what they
found as `drift.checked` and ask here, so that somebody is told once, whoever looked.

The rule. A look that asks for something is an alert if the look before it, at the same bundle,
asked for something else, or for nothing, or there was none; or if the last alert of the bundle is
as old as `monitor.alert_again_days` says. Looks at too few tickets to judge are no looks.
"""

from datetime import datetime, timedelta

from data.store import Event, Store
from evaluation.checked import DRIFT, DriftTold, read_told
from evaluation.drift_report import DriftReport
from pipelines.experiment_state import EVENTS

DRIFTED = "alert.drift"

EARLY = timedelta(hours=1)
"""A look may come so much too early: clocks that start commands are not exact."""


def is_due(
    store: Store, report: DriftReport, subject: str, now: datetime, again: timedelta
) -> bool:
    """Whether what was found is an alert now; ask before the look itself is logged.

    Parameters
    ----------
    subject : version of the bundle
    again : after so long drift that goes on is told once more
    """
    if not report.enough or report.action == "nothing":
        return False
    before = find_look(store, subject)
    if before is None or before[1].action != report.action:
        return True
    told = next((line for line in store.events(EVENTS, DRIFTED) if line.subject == subject), None)
    return told is None or now - told.at >= again - EARLY


def find_look(store: Store, subject: str) -> tuple[Event, DriftTold] | None:
    """The newest look at a bundle that could judge, and what it told; None where there is none."""
    for event in store.events(EVENTS, DRIFT):
        told = read_told(event, DriftTold) if event.subject == subject else None
        if told is not None and told.enough:
            return event, told
    return None
