"""Command: feedback of the store that was not collected yet becomes one immutable, dated file.

    python -m pipelines.collect

What is suspicious in it waits until a person releases it (`python -m pipelines.feedback`), and what
has been erased from the store since leaves the files as well.
"""

import argparse
import getpass
import logging
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from data.chain import require_anchored
from data.errors import DataError
from data.feedback_files import MANIFEST, FeedbackFiles
from data.feedback_rows import FeedbackRow, Part, make_rows
from data.golden import GoldenTicket, read_golden
from data.locks import exclusive
from data.sql import STORE_URL, open_sql_store
from data.store import Event, Query, Store
from evaluation.trust import find_golden, newest_of_each, score_authors
from evaluation.trust_params import FeedbackParams
from evaluation.trust_suspicion import Suspicion, suspect
from pipelines import run
from pipelines.params import NearDuplicateParams, read_params

logger = logging.getLogger(__name__)

LOCK = "feedback"
EVENTS = ("collected", "quarantined", "released", "revoked", "erased")


@dataclass(frozen=True)
class Collected:
    """What a collect did.

    Attributes
    ----------
    batch : name of the new one; None where nothing was new
    counts : rows, rejected and proposals of it
    suspicions : what of it waits for a person
    erased : rows that left earlier batches
    """

    batch: str | None
    counts: dict[str, int] = field(default_factory=dict)
    suspicions: tuple[Suspicion, ...] = ()
    erased: int = 0


def collect(
    store: Store,
    files: FeedbackFiles,
    golden: Sequence[GoldenTicket],
    params: FeedbackParams,
    near: NearDuplicateParams,
    actor: str,
    now: datetime,
) -> Collected:
    """Collect what is new; a second call finds nothing more to do.

    Raises
    ------
    DataError
        If the files were altered, or are not those the audit log speaks of.
    """
    require_told(store, files)
    for name in files.settle():
        logger.warning("%s was left by an interrupted collect and is removed", name)
    erased = erase_gone(store, files, actor, now)
    seen = {row.key for batch in files.batches.values() for part in batch.files
            for row in files.read(batch, part)}  # fmt: skip
    parts: dict[Part, list[FeedbackRow]] = {"rows": [], "rejected": [], "proposals": []}
    for answered in store.stream(Query(answered=True)):
        for part, row in make_rows(answered):
            if row.key not in seen:
                parts[part].append(row)
    if not any(parts.values()):
        return Collected(None, erased=erased)
    history = list(open_rows(files))
    earlier = list(evidence_rows(files))
    batch = files.add(parts, actor, now)
    counts = {str(part): len(rows) for part, rows in parts.items()}
    of_origin = Counter(row.origin for rows in parts.values() for row in rows)
    why = (
        f"{sum(counts.values())} answers of people are new, {counts['rows']} of them tell a label "
        "that can be learned"
    )
    facts: dict[str, int] = {**counts, **{str(k): n for k, n in of_origin.items()}}
    tell(store, files, "collected", batch.name, actor, now, [why], **facts)
    rows, _ = newest_of_each(parts["rows"])
    known = [*earlier, *rows]
    answers = find_golden(known, golden, near.threshold, near.shingle)
    authors = score_authors(newest_of_each(known)[0], answers, params)
    found = suspect(rows, history, authors, expect_errors(store, rows), params)
    for suspicion in found:
        files.quarantine(batch.name, suspicion.scope, [suspicion.reason], actor, now)
        tell(store, files, "quarantined", batch.name, actor, now, [suspicion.reason],
             test=suspicion.test, scope=suspicion.scope.model_dump(mode="json"))  # fmt: skip
    return Collected(batch.name, counts, tuple(found), erased)


def open_rows(files: FeedbackFiles) -> Iterator[FeedbackRow]:
    """Rows of batches that are neither revoked nor held back; all batches together."""
    for batch in files.batches.values():
        if not batch.revoked:
            yield from (row for row in files.read(batch) if batch.held_by(row) is None)


def evidence_rows(files: FeedbackFiles) -> Iterator[FeedbackRow]:
    """Rows that tell of their authors: those held back too, those a person vouched for not."""
    for batch in files.batches.values():
        if not (batch.revoked or batch.released):
            yield from files.read(batch)


def expect_errors(store: Store, rows: Sequence[FeedbackRow]) -> dict[tuple[date, str, str], float]:
    """What of the automatic answers can be wrong by their own confidence, see `trust_suspicion`.

    All answers of the days on which tickets of these rows were answered; in constant memory.
    """
    expected: dict[tuple[date, str, str], float] = defaultdict(float)
    if not rows:
        return expected
    days = {row.answered_at.astimezone(UTC).date() for row in rows}
    since = datetime.combine(min(days), datetime.min.time(), UTC)
    for answered in store.stream(Query(since=since)):
        stored = answered.stored
        day = stored.at.astimezone(UTC).date()
        if stored.shadow or day not in days:
            continue
        for target, answer in stored.prediction.targets.items():
            if answer.decision == "auto":
                expected[day, target, answer.label] += 1 - answer.confidence
    return expected


def erase_gone(store: Store, files: FeedbackFiles, actor: str, now: datetime) -> int:
    """Take out of all batches what was erased from the store; how many rows went.

    A row goes if its ticket or customer was ever erased and its prediction is in the store no more:
    what was answered after the erasure stays.
    """
    asked: dict[tuple[str | None, str | None], bool] = {}

    def gone(row: FeedbackRow) -> bool:
        key = (row.ticket.id, row.customer)
        if key not in asked:
            asked[key] = any(key) and store.is_erased(ticket_id=key[0], customer=key[1])
        return asked[key] and store.find(row.prediction_id) is None

    number = files.erase(gone, actor, now)
    if number:
        reason = f"{number} rows of erased tickets or customers left the feedback files"
        tell(store, files, "erased", "feedback", actor, now, [reason], rows=number)
    return number


def require_told(store: Store, files: FeedbackFiles) -> None:
    """Raise DataError unless the files are those the newest events of the store speak of."""
    for kind in EVENTS:
        for event in store.events(limit=1, action=f"feedback.{kind}"):
            require_anchored(files.folder / MANIFEST, files.chain, event.detail.get("head"))


def tell(
    store: Store,
    files: FeedbackFiles,
    kind: str,
    subject: str,
    actor: str,
    now: datetime,
    reasons: Iterable[str],
    **facts: object,
) -> None:
    """Log an event with the newest digest of the chain, so that another chain is noticed."""
    detail = {"reasons": list(reasons), "head": files.chain.head, **facts}
    event = {"at": now, "actor": actor, "action": f"feedback.{kind}", "subject": subject,
             "detail": detail}  # fmt: skip
    store.log(Event.model_validate(event))


@contextmanager
def opened_store(url: str | None = None) -> Iterator[Store]:
    """The store at a URL, else the one TICKETS_STORE names; closed afterwards."""
    store = open_sql_store(url or os.environ.get("TICKETS_STORE", STORE_URL))
    try:
        yield store
    finally:
        store.close()


def collect_here(store: Store, actor: str, now: datetime) -> Collected:
    """Collect into the folders of this project, while nothing else changes the feedback."""
    params = read_params()
    with exclusive(LOCK):
        done = collect(
            store,
            FeedbackFiles(),
            read_golden(),
            params.feedback,
            params.prepare.near_duplicates,
            actor,
            now,
        )
    if done.erased:
        logger.warning("%d rows of erased tickets left the feedback files", done.erased)
    if done.batch is None:
        logger.info("no feedback is new")
    else:
        logger.info("%s: %s", done.batch, done.counts)
    for one in done.suspicions:
        logger.warning("in quarantine, %s: %s", one.scope, one.reason)
    return done


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=None, help="of the store; default: TICKETS_STORE")
    parser.add_argument("--actor", default=None, help="who is written into the audit log")
    asked = parser.parse_args(arguments)
    run.begin()
    try:
        with opened_store(asked.url) as store:
            collect_here(store, asked.actor or getpass.getuser(), datetime.now(UTC))
    except DataError as error:
        sys.exit(f"collect: {error}")


if __name__ == "__main__":
    main()
