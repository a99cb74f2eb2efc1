"""Command: run experiments between the champion and its challengers and shadows.

    python -m pipelines.experiment status [--json] [--metrics URL] [--auto]
    python -m pipelines.experiment start VERSION --share 0.1
    python -m pipelines.experiment start VERSION --shadow
    python -m pipelines.experiment stop VERSION --reason "too slow"
    python -m pipelines.experiment promote VERSION [--override REASON]

The verdict may be read at any time and as often as one likes; `evaluation/verdicts.py` says what it
means. With --auto what is worse is stopped, what is better promoted, and a champion that turns out
worse than the former one replaced by it, as far as `experiment.automatic` in params.yaml allows.
"""

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from data.errors import TicketAssistantError
from data.locks import DEPLOYMENT, PATIENCE, exclusive
from data.sql import STORE_URL, open_sql_store
from data.store import Store
from evaluation.duel import Part
from models.publishing import BundleStore, open_store
from models.registry import Registry
from pipelines import run
from pipelines.belief import believed_feedback
from pipelines.deploying import FRACTION, SHARE
from pipelines.experiment_acts import Acts
from pipelines.experiment_params import ExperimentParams
from pipelines.experiment_state import Status, find_status, tell
from pipelines.measurements import read_measured
from pipelines.params import read_params

logger = logging.getLogger(__name__)


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=os.environ.get("TICKETS_STORE", STORE_URL))
    parser.add_argument("--actor", default=None, help="who is written into the audit log")
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser("status", help="every experiment with its verdict")
    status.add_argument("--json", action="store_true")
    status.add_argument("--auto", action="store_true", help="act on it, as params.yaml allows")
    start = commands.add_parser("start", help="rehearse a candidate, then let it compete or watch")
    start.add_argument("version")
    start.add_argument("--share", type=float, default=SHARE, help="of the tickets, answered by it")
    start.add_argument("--shadow", action="store_true", help="answer beside, told to nobody")
    start.add_argument("--fraction", type=float, default=FRACTION, help="shown to a shadow")
    start.add_argument(
        "--override", metavar="REASON", type=_reason, help="why it starts whatever refuses it"
    )
    stop = commands.add_parser("stop", help="end the part of a challenger or shadow")
    stop.add_argument("version")
    stop.add_argument("--reason", default="asked for", type=_reason)
    promoted = commands.add_parser("promote", help="let one that is better answer as champion")
    promoted.add_argument("version")
    promoted.add_argument(
        "--override", metavar="REASON", type=_reason, help="why, whatever the verdict says"
    )
    for one in (status, promoted):
        one.add_argument("--metrics", metavar="PLACE", help="file or URL, see measurements.py")
    return parser


def obey(asked: argparse.Namespace, acts: Acts) -> str:
    """Do what the command line asks for, and say in words what was done.

    Raises
    ------
    TicketAssistantError
        If it cannot be done; the message says why.
    """
    if asked.command == "start":
        part: Part = "shadow" if asked.shadow else "challenger"
        share = asked.fraction if asked.shadow else asked.share
        done = acts.start(asked.version, part, share, asked.override)
        return _lines([f"started {asked.version} as {part}", *done])
    if asked.command == "stop":
        return _lines(acts.stop(asked.version, [asked.reason]))
    status = look(asked, acts.store, acts.bundles, acts.params)
    if asked.command == "promote":
        return _lines(acts.promote(asked.version, status, asked.override))
    done = acts.automatic(status)
    logger.info("%s", "; ".join(done) or "nothing to be done")
    return show(asked, status)


def look(
    asked: argparse.Namespace, store: Store, bundles: BundleStore, params: ExperimentParams
) -> Status:
    """Every running experiment with its verdict."""
    return find_status(
        bundles.find_deployment(),
        store,
        bundles,
        params.verdict,
        datetime.now(UTC),
        read_measured(asked.metrics) if asked.metrics else None,
        believed=believed_feedback(),
    )


def show(asked: argparse.Namespace, status: Status) -> str:
    """The status in the form asked for."""
    return status.model_dump_json(indent=1) + "\n" if asked.json else tell(status)


def _reason(told: str) -> str:
    if not told.strip():
        raise argparse.ArgumentTypeError("say why")
    return told


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    asked = make_parser().parse_args(arguments)
    params = read_params()
    run.begin(params.seed)
    try:
        with closing(open_sql_store(asked.url)) as store:
            bundles = open_store()
            if asked.command == "status" and not asked.auto:
                told = show(asked, look(asked, store, bundles, params.experiment))
            else:
                with exclusive(DEPLOYMENT, wait_seconds=PATIENCE):
                    registry = Registry.open(Path.cwd(), params.registry.name)
                    actor = asked.actor or getpass.getuser()
                    told = obey(
                        asked,
                        Acts(
                            registry,
                            bundles,
                            store,
                            params.experiment,
                            actor,
                            believed=believed_feedback(),
                        ),
                    )
    except TicketAssistantError as error:
        sys.exit(f"{asked.command}: {error}")
    sys.stdout.write(told)


if __name__ == "__main__":
    main()
