"""Command: the golden set, which candidates are judged on and nobody can overwrite.

    python -m pipelines.golden show
    python -m pipelines.golden add settled.jsonl --reason "settled by the leads of both teams"

A line of the file is {"text": "...", "labels": {"category": "network"}}, perhaps with an `id`.
"""

import argparse
import getpass
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from data.catalog import CATALOG, read_catalog
from data.chain import read_chain, require_anchored
from data.errors import DataError
from data.golden import (
    GOLDEN,
    SEAL,
    Addition,
    GoldenTicket,
    add_golden,
    read_candidates,
    read_golden,
    require_known_labels,
)
from data.locks import exclusive
from data.store import Event, Store
from pipelines import run
from pipelines.collect import opened_store
from pipelines.params import read_params

ACTION = "golden.added"


def add(store: Store, folder: Path, file: Path, actor: str, reason: str, now: datetime) -> str:
    """Append the tickets of a file and log it; what was done, in a line.

    Raises
    ------
    DataError
        If a line is no ticket, a label is unknown, a label would be overwritten, or the set is not
        the one the audit log speaks of.
    """
    if not reason.strip():
        raise DataError("--reason is empty: say in a few words who settled the labels")
    require_told(store, folder)
    dataset = read_catalog(CATALOG)[read_params().dataset]
    tickets = read_candidates(file)
    require_known_labels(
        tickets, {target: dataset.labels.get(target, ()) for target in dataset.targets}
    )
    done = add_golden(folder, tickets, actor, reason, now)
    if done.added:
        detail = {"reasons": [reason], "added": done.added, "tickets": done.tickets,
                  "head": done.head}  # fmt: skip
        event = {"at": now, "actor": actor, "action": ACTION, "subject": str(folder),
                 "detail": detail}  # fmt: skip
        store.log(Event.model_validate(event))
    return f"{done.added} added, {done.known} known before, {done.tickets} in all"


def require_told(store: Store, folder: Path) -> None:
    """Raise DataError unless the set is the one the audit log speaks of."""
    for event in store.events(limit=1, action=ACTION):
        chain = read_chain(folder / SEAL, Addition)
        require_anchored(folder / SEAL, chain, event.detail.get("head"))


def render(tickets: Sequence[GoldenTicket]) -> str:
    """How many golden tickets each label has."""
    counts = Counter(f"{target}: {label}" for t in tickets for target, label in t.labels.items())
    lines = [f"{len(tickets)} golden tickets"]
    return "\n".join([*lines, *(f"  {name:40}{n:>6}" for name, n in sorted(counts.items()))])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=None, help="of the store; default: TICKETS_STORE")
    parser.add_argument("--actor", default=None, help="who adds; default: the user's name")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show", help="check the seal and count the tickets")
    adding = commands.add_parser("add", help="append the tickets of a file")
    adding.add_argument("file", type=Path)
    adding.add_argument("--reason", required=True)
    asked = parser.parse_args(arguments)
    run.begin()
    try:
        if asked.command == "show":
            told = render(read_golden())
        else:
            actor = asked.actor or getpass.getuser()
            with exclusive("golden"), opened_store(asked.url) as store:
                told = add(store, GOLDEN, asked.file, actor, asked.reason, datetime.now(UTC))
    except DataError as error:
        sys.exit(f"golden {asked.command}: {error}")
    sys.stdout.write(told + "\n")


if __name__ == "__main__":
    main()
