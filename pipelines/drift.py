"""Command: whether tickets have changed, whether it matters, and what is to be done.

python -m pipelines.drift                                   the last 7 days of the store
python -m pipelines.drift --since 2026-11-01 --until 2026-11-08
python -m pipelines.drift --since 2026-11-01 --reference-since 2026-10-01
python -m pipelines.drift new.csv --text body               a file of tickets
python -m pipelines.drift new.csv --reference old.csv

Compares with the reference of the champion, or with another window. Writes a JSON report and a page
beside it; what was found is told in words of those who act on it. Feedback that is revoked or waits
in quarantine does not count.
"""

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.durable import write_text
from data.errors import BundleError, DataError, TicketAssistantError
from data.language import LanguageDetector
from data.sql import STORE_URL, open_sql_store
from data.store import Event, Store
from evaluation.checked import DRIFT
from evaluation.drift_page import render_page
from evaluation.drift_report import DriftReport, Rules
from evaluation.drift_window import Window
from models.bundle import load
from models.manifest import read_manifest
from models.publishing import open_store
from pipelines import run
from pipelines.belief import believed_feedback
from pipelines.drift_alerts import DRIFTED, is_due
from pipelines.drift_checks import Loader, check_files, check_store
from pipelines.drift_windows import MOST, Assistant
from pipelines.params import LanguageParams, Params, read_params
from pipelines.score import find_bundle
from pipelines.scored_rows import TicketColumns
from pipelines.store import read_moment

logger = logging.getLogger(__name__)

REPORTS = Path("evaluation/reports/drift")
DAYS = 7
NOTHING, STOPPED, SOMETHING = 0, 1, 3
EXITS = (
    "exit status: 0 nothing is to be done; 3 something is, see what is told; 1 there is no report, "
    "for the reason told"
)


def make_events(
    report: DriftReport, subject: str, actor: str, at: datetime, *, alert: bool
) -> list[Event]:
    """Lines for the audit log: that it was checked, and before it the alert where one is due."""
    actions = [*([DRIFTED] if alert else []), DRIFT]
    return [
        Event(at=at, actor=actor, action=action, subject=subject, detail=report.detail())
        for action in actions
    ]


def write_report(
    report: DriftReport, reference: Window, current: Window, place: Path, *, page: bool = True
) -> None:
    """Write PLACE.json, and PLACE.html with Evidently's plots unless no page is wanted."""
    write_text(place.with_suffix(".json"), report.model_dump_json(indent=1) + "\n")
    if page:
        write_text(place.with_suffix(".html"), render_page(report, reference, current))


def main(
    arguments: Sequence[str] | None = None,
    loaded: Callable[[Path], Assistant] = lambda folder: load(folder)[1],
) -> int:
    """Compare as the arguments say; gives the exit status."""
    asked = read_arguments(arguments)
    params = read_params()
    run.begin(params.seed)
    now = datetime.now(UTC)
    changes = {name: getattr(asked, name) for name in ("alpha", "looks") if getattr(asked, name)}
    rules = Rules.model_validate({**params.drift.model_dump(), **changes})
    try:
        if asked.tickets is not None:
            found = _files(asked, rules, params, loaded)
        else:
            found = _stored(asked, rules, params, loaded, now)
    except (TicketAssistantError, OSError) as error:
        logger.error("%s", error)
        return STOPPED
    report = found[0]
    place = asked.output or REPORTS / f"{now:%Y%m%dT%H%M%SZ}"
    write_report(*found, place, page=asked.html)
    sys.stdout.write(f"{report.action}\n")
    for reason in report.reasons:
        sys.stdout.write(f"- {reason}\n")
    sys.stdout.write(f"{place.with_suffix('.json')}\n")
    return NOTHING if report.action == "nothing" else SOMETHING


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.drift",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EXITS,
    )
    parser.add_argument("tickets", nargs="?", type=Path, help="a file; without, the store")
    parser.add_argument("--reference", type=Path, help="a file to compare the file with")
    parser.add_argument("--text", default="text", help="column of the text (default: %(default)s)")
    parser.add_argument("--subject", help="column of the subject, read before the text")
    parser.add_argument("--id", help="column that names a ticket")
    parser.add_argument("--language", help="column of the language; detected without")
    parser.add_argument(
        "--label", action="append", default=[], metavar="TARGET=COLUMN",
        help="what people said, for tickets that were not chosen by the answer",
    )  # fmt: skip
    parser.add_argument("--since", help=f"of the store; default: {DAYS} days ago")
    parser.add_argument("--until", help="default: now")
    parser.add_argument("--reference-since", help="compare with another window of the store")
    parser.add_argument("--reference-until", help="default: where the window begins")
    parser.add_argument("--url", default=os.environ.get("TICKETS_STORE", STORE_URL))
    parser.add_argument("--log", action="store_true", help="write the result into the audit log")
    parser.add_argument("--actor", default=None, help="who is written there")
    parser.add_argument("--bundle", help="folder or published version; default: the champion")
    parser.add_argument("--most", type=int, default=MOST, help="tickets of a window looked at")
    parser.add_argument("--alpha", type=float, help="chance of a false alarm in all looks")
    parser.add_argument("--looks", type=int, help="how many looks that are")
    parser.add_argument("--output", type=Path, help="where the report goes, without an ending")
    parser.add_argument("--html", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args(arguments)


Found = tuple[DriftReport, Window, Window]


def _files(asked: argparse.Namespace, rules: Rules, params: Params, loaded: Loader) -> Found:
    labels = dict(pair.split("=", 1) for pair in asked.label if "=" in pair)
    if len(labels) < len(asked.label):
        raise DataError("--label takes TARGET=COLUMN")
    folder: Path | None = None
    try:
        folder = find_bundle(asked.bundle, open_store())
    except BundleError:
        if asked.bundle or asked.reference is None:
            raise
        logger.warning("there is no champion: the files are compared without a model")
    return check_files(
        asked.tickets,
        asked.reference,
        TicketColumns(asked.text, asked.subject, asked.id, asked.language),
        rules,
        labels=labels,
        folder=folder,
        languages=_detector(folder, params.prepare.language),
        most=asked.most,
        loaded=loaded,
        seed=params.seed,
    )


def _detector(folder: Path | None, wanted: LanguageParams) -> LanguageDetector:
    """Of the bundle, so that both windows are told apart in one way; else that of the params."""
    manifest = None if folder is None else read_manifest(folder)
    if manifest is not None and manifest.languages:
        return LanguageDetector(manifest.languages, detector=manifest.language_detector)
    return LanguageDetector(wanted.targets, wanted.min_letters, detector=wanted.detector)


def _stored(
    asked: argparse.Namespace, rules: Rules, params: Params, loaded: Loader, now: datetime
) -> Found:
    until = read_moment(asked.until) if asked.until else now
    since = read_moment(asked.since) if asked.since else until - timedelta(days=DAYS)
    earlier = None
    if asked.reference_since:
        end = read_moment(asked.reference_until) if asked.reference_until else since
        earlier = (read_moment(asked.reference_since), end)
    folder = find_bundle(asked.bundle, open_store())
    store = open_sql_store(asked.url)
    try:
        found = check_store(
            store, folder, since, until, rules,
            reference=earlier, most=asked.most, loaded=loaded, believed=believed_feedback(),
            seed=params.seed,
        )  # fmt: skip
        if asked.log:
            _log(store, found[0], read_manifest(folder).version, asked, params, now)
    finally:
        store.close()
    return found


def _log(
    store: Store,
    report: DriftReport,
    version: str,
    asked: argparse.Namespace,
    params: Params,
    now: datetime,
) -> None:
    again = timedelta(days=params.monitor.alert_again_days)
    alert = is_due(store, report, version, now, again)
    actor = asked.actor or getpass.getuser()
    for event in make_events(report, version, actor, now, alert=alert):
        store.log(event)


if __name__ == "__main__":
    sys.exit(main())
