"""Command: look at batches of feedback, and decide what of them is learned from.

    python -m pipelines.feedback list
    python -m pipelines.feedback show BATCH
    python -m pipelines.feedback quarantine BATCH --author NAME --reason "..."
    python -m pipelines.feedback release BATCH --reason "..."
    python -m pipelines.feedback revoke BATCH --reason "..."
    python -m pipelines.feedback labels

A decision takes effect with the next `make retrain`: what is revoked or in quarantine is not
learned from then, as if it had never been said. `labels` tells what labels people proposed that no
bundle knows, and what learning each would do; one enters by naming it in data/catalog.yaml.
"""

import argparse
import getpass
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from data.errors import DataError
from data.feedback_files import Batch, FeedbackFiles
from data.feedback_rows import Scope
from data.locks import exclusive
from data.store import Store
from pipelines import run
from pipelines.collect import LOCK, opened_store, require_told, tell

DECISIONS = {
    "quarantine": "hold rows back until they are released",
    "release": "let everything of a batch go that is held back",
    "revoke": "never learn from a batch again",
}


def render_list(files: FeedbackFiles) -> str:
    """All batches as a table, the oldest first."""
    lines = [f"{'batch':28}{'rows':>7}{'held':>7}{'rejected':>10}{'proposals':>11}  state"]
    for batch in files.batches.values():
        sizes = {part: seal.rows for part, seal in batch.files.items()}
        held = sum(batch.held_by(row) is not None for row in files.read(batch))
        state = "revoked" if batch.revoked else "quarantine" if batch.quarantines else "open"
        if batch.erased:
            state += f", {batch.erased} rows erased"
        lines.append(
            f"{batch.name:28}{sizes.get('rows', 0):>7}{held:>7}{sizes.get('rejected', 0):>10}"
            f"{sizes.get('proposals', 0):>11}  {state}"
        )
    return "\n".join(lines)


def render_batch(files: FeedbackFiles, batch: Batch) -> str:
    """What is known of one batch: counts by origin, author and label, and all that was decided."""
    rows = files.read(batch)
    lines = [f"{batch.name}, collected by {batch.collected.actor}"]
    for title, counts in (
        ("origin", Counter(row.origin for row in rows)),
        ("author", Counter(row.name or "(nameless)" for row in rows)),
        ("label", Counter(f"{row.target}: {row.label}" for row in rows)),
        ("rejected", Counter(row.reason for row in files.read(batch, "rejected"))),
        ("proposed", Counter(f"{r.target}: {r.label}" for r in files.read(batch, "proposals"))),
    ):
        told = ", ".join(f"{name} {count}" for name, count in counts.most_common(20))
        lines.append(f"  {title:10}{told or 'none'}")
    for entry in files.chain.links:
        if entry.batch == batch.name and entry.kind != "collected":
            held = f" ({entry.scope})" if entry.scope else ""
            why = "; ".join(entry.reasons)
            lines.append(f"  {entry.at:%Y-%m-%d %H:%M} {entry.actor} {entry.kind}{held}: {why}")
    return "\n".join(lines)


def decide(
    store: Store, files: FeedbackFiles, asked: argparse.Namespace, actor: str, now: datetime
) -> None:
    """Write a decision of a person into the chain and the audit log.

    Raises
    ------
    DataError
        If there is no such batch, no reason, or nothing to decide.
    """
    if not asked.reason.strip():
        raise DataError("--reason is empty: say in a few words why")
    require_told(store, files)
    if asked.command == "quarantine":
        scope = Scope(
            author=asked.author, target=asked.target, predicted=asked.predicted, label=asked.label
        )
        files.quarantine(asked.batch, scope, [asked.reason], actor, now)
    elif asked.command == "release":
        files.release(asked.batch, asked.reason, actor, now)
    else:
        files.revoke(asked.batch, asked.reason, actor, now)
    kind = {"quarantine": "quarantined", "release": "released", "revoke": "revoked"}
    tell(store, files, kind[asked.command], asked.batch, actor, now, [asked.reason])


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=None, help="of the store; default: TICKETS_STORE")
    parser.add_argument("--actor", default=None, help="who decides; default: the user's name")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all batches and where they stand")
    commands.add_parser("show", help="what is in a batch").add_argument("batch")
    labels = commands.add_parser("labels", help="what each proposed label would do")
    labels.add_argument("--rows", type=int, default=10_000, help="old tickets it is tried with")
    for name, what in DECISIONS.items():
        command = commands.add_parser(name, help=what)
        command.add_argument("batch")
        command.add_argument("--reason", required=True)
        if name == "quarantine":
            command.add_argument("--author", help="only what this author said; '': the nameless")
            command.add_argument("--target")
            command.add_argument("--from", dest="predicted", help="label the model gave")
            command.add_argument("--to", dest="label", help="label the author gave")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    asked = make_parser().parse_args(arguments)
    run.begin()
    try:
        files = FeedbackFiles()
        if asked.command == "list":
            told = render_list(files)
        elif asked.command == "show":
            told = render_batch(files, files.batch(asked.batch))
        elif asked.command == "labels":
            from pipelines.new_labels import render_proposals

            told = render_proposals(files, asked.rows)
        else:
            with exclusive(LOCK), opened_store(asked.url) as store:
                actor = asked.actor or getpass.getuser()
                decide(store, FeedbackFiles(), asked, actor, datetime.now(UTC))
            told = render_batch(files := FeedbackFiles(), files.batch(asked.batch))
    except DataError as error:
        sys.exit(f"feedback {asked.command}: {error}")
    sys.stdout.write(told + "\n")


if __name__ == "__main__":
    main()
