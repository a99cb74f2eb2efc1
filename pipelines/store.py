"""Command: look after the store: migrate, back up, restore, export, erase, retain, tell.

    python -m pipelines.store backup .cache/store-today.jsonl.gz
    python -m pipelines.store export answers.parquet --since 2026-11-01 --target category
    python -m pipelines.store erase --customer KEY
    python -m pipelines.store erasures export .cache/erasures.json

A backup holds what was erased after it was made. Before it is restored, `erasures import` puts the
list of erasures, exported from the store that is replaced, into the new one; `restore` applies it.

The store is the one `--url` or TICKETS_STORE names.
"""

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Engine

from data.backup import back_up, count_rows
from data.erasures import export_erasures, import_erasures
from data.errors import DataError
from data.export import export
from data.restore import restore
from data.sql import STORE_URL, SqlStore, open_sql_store
from data.sql_engine import open_engine, where
from data.sql_migrations import find_revision, migrate, newest_revision
from data.store import Erased, Erasure, Event, Query
from pipelines import run

logger = logging.getLogger(__name__)

FILTERS = ("text", "target", "label", "decision", "language", "bundle", "beside", "ticket_id",
           "customer", "since", "until")  # fmt: skip
FLAGS = ("audit", "explicit", "answered")


def make_query(given: dict[str, Any]) -> Query:
    """The query that options mean; a date alone is midnight in UTC.

    Raises
    ------
    DataError
        If a value is not one the query knows; the message names the option.
    """
    values = {
        name: given[name] for name in ("arm", *FILTERS, *FLAGS) if given.get(name) is not None
    }
    try:
        values |= {name: read_moment(values[name]) for name in ("since", "until") if name in values}
        return Query.model_validate(values)
    except ValidationError as error:
        wrong = error.errors(include_input=False)[0]
        option = str(wrong["loc"][0]).replace("_", "-")
        raise DataError(f"--{option}: {wrong['msg']}") from None


def read_moment(told: str) -> datetime:
    """A moment of ISO 8601; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        raise DataError(f"{told!r} is no moment such as 2026-11-01 or 2026-11-01T12:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def retain(store: SqlStore, days: int, actor: str, now: datetime) -> Erased:
    """Remove what is older than so many days.

    Raises
    ------
    DataError
        If there is less than one day to keep.
    """
    if days < 1:
        raise DataError(f"--days is {days}; at least 1 is expected")
    return store.drop_before(now - timedelta(days=days), actor, now)


def tell_status(engine: Engine) -> dict[str, object]:
    """Version and rows of a store; no rows where it has no tables yet."""
    found = find_revision(engine)
    rows = count_rows(engine) if found == newest_revision() else {}
    return {"version": found or "none", "expected": newest_revision(), **rows}


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=os.environ.get("TICKETS_STORE", STORE_URL))
    parser.add_argument("--actor", default=None, help="who is written into the audit log")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the tables to the version of this code")
    commands.add_parser("status", help="version of the tables and how many rows each has")
    backup = commands.add_parser("backup", help="the whole store into a file")
    backup.add_argument("file", type=Path, help=".db (SQLite only), .jsonl or .jsonl.gz")
    restored = commands.add_parser("restore", help="a backup into a store without predictions")
    restored.add_argument("file", type=Path)
    exported = commands.add_parser("export", help="what the options find into a file")
    exported.add_argument("file", type=Path, help=".csv, .jsonl or .parquet")
    for name in FILTERS:
        exported.add_argument(f"--{name.replace('_', '-')}")
    exported.add_argument("--arm", action="append", help="may be given several times")
    for name in FLAGS:
        exported.add_argument(f"--{name}", action=argparse.BooleanOptionalAction)
    erased = commands.add_parser("erase", help="every row of one ticket or one customer")
    whose = erased.add_mutually_exclusive_group(required=True)
    whose.add_argument("--ticket")
    whose.add_argument("--customer")
    listed = commands.add_parser("erasures", help="what is erased, out of a store or into one")
    listed.add_argument("way", choices=("export", "import"))
    listed.add_argument("file", type=Path, help="JSON; names nobody, but keep it closed")
    retained = commands.add_parser("retain", help="remove what is older")
    retained.add_argument("--days", type=int, required=True)
    return parser


def obey(asked: argparse.Namespace, now: datetime) -> None:
    """Do what the command line asks for."""
    actor = asked.actor or getpass.getuser()
    if asked.command in {"migrate", "restore", "status"}:
        with _opened(open_engine(asked.url)) as engine:
            name = where(engine.url)
            if asked.command == "restore":
                logger.info("%s holds %s", name, restore(asked.file, engine))
            elif asked.command == "migrate":
                before = find_revision(engine)
                migrate(engine)
                logger.info("%s: version %s, was %s", name, find_revision(engine), before)
            else:
                logger.info("%s: %s", name, tell_status(engine))
        return
    store = open_sql_store(asked.url)
    with _opened(store.engine):
        if asked.command == "backup":
            logger.info("%s holds %s", asked.file, back_up(store.engine, asked.file))
        elif asked.command == "export":
            query = make_query(vars(asked))
            number = export(store, query, asked.file)
            store.log(Event(at=now, actor=actor, action="export", subject=asked.file.name,
                            detail={"predictions": number}))  # fmt: skip
            logger.info("%s holds %d predictions", asked.file, number)
        elif asked.command == "erase":
            erasure = Erasure(ticket_id=asked.ticket, customer=asked.customer)
            logger.info("erased: %s", store.erase(erasure, actor, now).model_dump())
        elif asked.command == "erasures" and asked.way == "export":
            number = export_erasures(store.engine, asked.file, actor, now)
            logger.info("%s holds %d erasures", asked.file, number)
        elif asked.command == "erasures":
            gone = import_erasures(asked.file, store.engine, actor, now)
            logger.info("erased: %s", gone.model_dump())
        else:
            logger.info("dropped: %s", retain(store, asked.days, actor, now).model_dump())


@contextmanager
def _opened(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


def main(arguments: Sequence[str] | None = None) -> None:
    asked = make_parser().parse_args(arguments)
    run.begin()
    try:
        obey(asked, datetime.now(UTC))
    except DataError as error:
        sys.exit(f"{asked.command}: {error}")


if __name__ == "__main__":
    main()
