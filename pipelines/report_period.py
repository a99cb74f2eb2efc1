"""Command: what happened in a period, as one page that a support manager reads.

    python -m pipelines.report_period                       # the month before this one
    python -m pipelines.report_period --month 2026-10
    python -m pipelines.report_period --since 2026-11-01 --until 2026-11-08

Writes evaluation/reports/periods/<period>.html and the same figures as JSON beside it. The page is
one file that opens offline and holds nothing of what customers wrote. All of it is from the store;
only the accuracy promised is read from the champion's bundle, if that is there. Feedback that is
revoked or waits in quarantine (data/raw/feedback) does not count; how much that is, is told.
"""

import argparse
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
from data.sql import STORE_URL, open_sql_store
from data.store import Query, Store
from evaluation.period_page import render_page
from evaluation.period_report import report_period
from models.publishing import open_store
from pipelines import run
from pipelines.belief import believed_feedback
from pipelines.experiment_state import find_promises
from pipelines.params import read_params
from pipelines.store import read_moment

logger = logging.getLogger(__name__)

REPORTS = Path("evaluation/reports/periods")

Period = tuple[datetime, datetime]
"""From the first moment to before the second."""


def read_month(told: str) -> Period:
    """A month in UTC such as 2026-10.

    Raises
    ------
    DataError
        If it is none.
    """
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", told) or told < "0001":
        raise DataError(f"{told!r} is no month such as 2026-10")
    since = datetime(int(told[:4]), int(told[5:]), 1, tzinfo=UTC)
    return since, (since + timedelta(days=31)).replace(day=1)


def find_period(asked: argparse.Namespace, now: datetime) -> Period:
    """The period that the arguments mean; the last full month where they name none.

    Raises
    ------
    DataError
        If it is none, or ends before it begins.
    """
    if asked.month:
        if asked.until is not None:
            raise DataError("--month and --until exclude each other")
        return read_month(asked.month)
    if asked.since is None:
        if asked.until is not None:
            raise DataError("--until needs --since")
        first = now.astimezone(UTC).replace(day=1)
        return read_month(f"{first - timedelta(days=1):%Y-%m}")
    since = read_moment(asked.since)
    until = read_moment(asked.until) if asked.until else now
    if until <= since:
        raise DataError(f"a period ends after it begins, not from {since} to {until}")
    return since, until


def name_period(since: datetime, until: datetime) -> str:
    """What its files are called: a month, days, or moments."""
    begin, end = (moment.astimezone(UTC) for moment in (since, until))
    if (begin, end) == read_month(f"{begin:%Y-%m}"):
        return f"{begin:%Y-%m}"
    midnight = begin.time() == end.time() == datetime.min.time()
    form = "%Y%m%d" if midnight else "%Y%m%dT%H%M%SZ"
    return f"{begin:{form}}-{end:{form}}"


def find_promised(store: Store, until: datetime) -> dict[str, float]:
    """Target -> accuracy promised by the last champion before a moment, if its bundle is there."""
    page = store.search(Query(arm=("champion",), until=until), limit=1)
    if not page.found:
        return {}
    version = page.found[0].stored.prediction.bundle
    promises = find_promises(open_store(), version)
    return {target: promise.accuracy for target, promise in promises.items()}


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=os.environ.get("TICKETS_STORE", STORE_URL))
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--month", help="such as 2026-10")
    when.add_argument("--since", metavar="MOMENT", help="from here; UTC where it names no zone")
    parser.add_argument("--until", metavar="MOMENT", help="to before here; default: now")
    parser.add_argument("--target", help="told first; default: the first one answered")
    parser.add_argument("--minutes", type=float, help="instead of report.minutes_per_ticket")
    parser.add_argument("--output", type=Path, help="folder; default: %(const)s", const=REPORTS,
                        nargs="?", default=REPORTS)  # fmt: skip
    return parser


def main(
    arguments: Sequence[str] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Write the report that the arguments ask for."""
    asked = make_parser().parse_args(arguments)
    params = read_params()
    run.begin(params.seed)
    try:
        now = clock()
        since, until = find_period(asked, now)
        minutes = params.report.minutes_per_ticket if asked.minutes is None else asked.minutes
        if minutes <= 0:
            raise DataError(f"--minutes is {minutes:g}; more than 0 is expected")
        with closing(open_sql_store(asked.url)) as store:
            try:
                report = report_period(
                    store,
                    since,
                    until,
                    now,
                    minutes_per_ticket=minutes,
                    target=asked.target,
                    promised=find_promised(store, until),
                    believed=believed_feedback(),
                )
            except ValueError as error:
                raise DataError(str(error)) from None
        place = asked.output / name_period(since, until)
        write_text(place.with_suffix(".json"), report.to_json())
        write_text(place.with_suffix(".html"), render_page(report))
    except TicketAssistantError as error:
        sys.exit(f"report: {error}")
    for line in report.advice:
        logger.info("%s", line)
    sys.stdout.write(f"{place.with_suffix('.html')}\n")


if __name__ == "__main__":
    main()
