"""Command: hold what happens against what was promised, and act on it.

    python -m pipelines.monitor [--window 7d] [--since 2026-11-01] [--dry-run] [--html]
    python -m pipelines.monitor restore TARGET LABEL --reason "labels were corrected"

Live figures and certificates are checked on the audit sample at every run, as often as one likes.
Drift of the champion's tickets is looked at once per window, because its rules count the looks. A
class that lost its certificate is withheld: people route it, within seconds and without a load,
until a new bundle answers or somebody restores it, who is told what the audit says of it since.

Writes evaluation/reports/monitor/<moment>.json and latest.json, and the audit log of the store.
Exit code: 0, or 3 where an alert was raised that had not been raised before.
"""

import argparse
import getpass
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.durable import write_text
from data.errors import DataError, TicketAssistantError
from data.locks import DEPLOYMENT, PATIENCE, exclusive
from data.sql import STORE_URL, open_sql_store
from evaluation.drift_page import render_page
from models.bundle import load
from models.publishing import open_store
from pipelines import run
from pipelines.belief import believed_feedback
from pipelines.drift_checks import Loader, check_store
from pipelines.monitor_acts import Looked, Monitoring, MonitorReport
from pipelines.params import read_params
from pipelines.store import read_moment

logger = logging.getLogger(__name__)

REPORTS = Path("evaluation/reports/monitor")
LATEST = "latest.json"

ALERT = 3
"""Exit code where an alert was raised."""

UNITS = {"h": 3_600, "d": 86_400, "w": 604_800}


def read_span(told: str) -> timedelta:
    """A span of time such as `12h`, `7d` or `2w`.

    Raises
    ------
    DataError
        If it is none, or empty.
    """
    match = re.fullmatch(r"(\d{1,4})([hdw])", told)
    if match is None or int(match[1]) == 0:
        raise DataError(f"{told!r} is no span of time such as 12h, 7d or 2w")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=os.environ.get("TICKETS_STORE", STORE_URL))
    parser.add_argument("--actor", default=None, help="who is written into the audit log")
    parser.add_argument("--window", metavar="SPAN", help="instead of monitor.window_days")
    parser.add_argument(
        "--since",
        metavar="MOMENT",
        help="live figures from here on; the same in every run, or the intervals do not hold",
    )
    parser.add_argument("--dry-run", action="store_true", help="tell all, write and change nothing")
    parser.add_argument("--html", action="store_true", help="a page of the drift, beside the JSON")
    commands = parser.add_subparsers(dest="command")
    restored = commands.add_parser("restore", help="route a withheld class again")
    restored.add_argument("target")
    restored.add_argument("label")
    restored.add_argument("--version", help="of the bundle; the champion where left out")
    restored.add_argument("--reason", required=True, help="why, kept in the audit log")
    return parser


def obey(asked: argparse.Namespace, monitoring: Monitoring, reports: Path = REPORTS) -> int:
    """Do what the command line asks for; gives the exit code."""
    if asked.command == "restore":
        told = monitoring.restore(asked.target, asked.label, asked.reason, asked.version)
        sys.stdout.write("".join(f"{line}\n" for line in told))
        return 0
    since = read_moment(asked.since) if asked.since else None
    report, looked = monitoring.look(since)
    if asked.dry_run:
        sys.stdout.write(report.to_json())
    else:
        monitoring.act(report)
        write(report, looked if asked.html else None, reports)
        sys.stdout.write(tell(report))
    return ALERT if report.alerts else 0


def write(report: MonitorReport, looked: Looked | None, folder: Path = REPORTS) -> Path:
    """Write the report under its moment and as the latest, and a page of the drift if given."""
    path = folder / f"{report.at.astimezone(UTC):%Y%m%dT%H%M%SZ}.json"
    if looked is not None:
        write_text(path.with_suffix(".html"), render_page(*looked))
    write_text(path, report.to_json())
    write_text(folder / LATEST, report.to_json())
    return path


def tell(report: MonitorReport) -> str:
    """The report in a few lines."""
    lines = [*report.reasons, *(f"ALERT {alert.action}: {alert.told}" for alert in report.alerts)]
    return "".join(f"{line}\n" for line in lines)


def main(
    arguments: Sequence[str] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    loaded: Loader = lambda folder: load(folder)[1],
) -> int:
    """Do what the arguments say; gives the exit code."""
    asked = make_parser().parse_args(arguments)
    params = read_params()
    run.begin(params.seed)
    try:
        monitor = params.monitor
        if asked.window:
            days = read_span(asked.window) / timedelta(days=1)
            monitor = monitor.model_copy(update={"window_days": days})
        with exclusive("monitor"), closing(open_sql_store(asked.url)) as store:
            believed = believed_feedback()
            monitoring = Monitoring(
                store=store,
                bundles=open_store(),
                params=monitor,
                actor=asked.actor or getpass.getuser(),
                now=clock(),
                believed=believed,
                look_at_drift=lambda folder, since, until: check_store(
                    store,
                    folder,
                    since,
                    until,
                    monitor.enough_looks(params.drift),
                    loaded=loaded,
                    believed=believed,
                    seed=params.seed,
                ),
            )
            with exclusive(DEPLOYMENT, wait_seconds=PATIENCE):
                return obey(asked, monitoring)
    except TicketAssistantError as error:
        sys.exit(f"monitor: {error}")


if __name__ == "__main__":
    sys.exit(main())
