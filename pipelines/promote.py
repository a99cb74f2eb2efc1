"""Command: say who answers, who competes and who only watches, and publish it.

python -m pipelines.promote VERSION --as champion
python -m pipelines.promote VERSION --as challenger --share 0.1
python -m pipelines.promote VERSION --as shadow --fraction 0.2
python -m pipelines.promote VERSION --stop
python -m pipelines.promote --rollback --reason "answers of the new one are worse"

Who competes or answers must have passed the gate (`pipelines.gate`) against the champion of now, or
somebody gives a reason with --override, which is kept with the bundle and logged. Shadows need no
decision, nor does the first champion or a rollback.

The aliases of the register name the champion and the challenger promoted last; deployment.json in
the bundle store names all arms, and is what serving follows.
"""

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from data.errors import TicketAssistantError
from data.locks import DEPLOYMENT, PATIENCE, exclusive
from data.sql import STORE_URL, open_sql_store
from data.store import Event, Store
from evaluation.judgement import Believed
from evaluation.sequences import ALPHA
from models.bundle import load
from models.deployment import Deployment
from models.publishing import BundleStore, open_store
from models.registry import Registry
from pipelines import run
from pipelines.belief import believed_feedback
from pipelines.decisions import admit, champion_of
from pipelines.deploying import FRACTION, SHARE, promote, rollback, stop, tell_arms, tell_rollback
from pipelines.live_check import find_accuracy
from pipelines.params import read_params


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """What is asked for: one of `--as`, `--stop` and `--rollback`, and a version for the first two.

    Raises
    ------
    SystemExit
        If it is none of these.
    """
    first = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(description=first)
    parser.add_argument("version", nargs="?", help="version of a registered bundle")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--as", dest="part", choices=("champion", "challenger", "shadow"))
    what.add_argument("--stop", action="store_true", help="end its part as challenger or shadow")
    what.add_argument("--rollback", action="store_true", help="publish the former champion again")
    parser.add_argument("--share", type=float, default=SHARE, help="of tickets, for a challenger")
    parser.add_argument("--fraction", type=float, default=FRACTION, help="of tickets, for a shadow")
    parser.add_argument("--override", metavar="REASON", help="why it may, whatever the gate says")
    parser.add_argument("--reason", help="why it is rolled back or stopped, kept in the audit log")
    parser.add_argument("--url", default=os.environ.get("TICKETS_STORE", STORE_URL))
    asked = parser.parse_args(arguments)
    if asked.rollback == (asked.version is not None):
        parser.error("name a version, or ask for --rollback alone")
    if asked.override is not None and (
        asked.part not in {"champion", "challenger"} or not asked.override.strip()
    ):
        parser.error("--override takes a reason, and goes with --as champion or challenger")
    if asked.reason is not None and (asked.part is not None or not asked.reason.strip()):
        parser.error("--reason says why, and goes with --rollback or --stop")
    return asked


def obey(
    asked: argparse.Namespace,
    registry: Registry,
    bundles: BundleStore,
    store: Store,
    actor: str,
    check: Callable[[Path], object] = load,
    *,
    alpha: float = ALPHA,
    believed: Believed | None = None,
) -> Deployment:
    """Do what the command line asks for, and log it.

    Parameters
    ----------
    alpha, believed : of the accuracy of the former champion, which a promotion is held against
        (`experiment status --auto`); all feedback counts where `believed` is left out

    Raises
    ------
    ModelError
        If the gate has no passing decision and no reason is given, or as `promote`, `stop` and
        `rollback` do; nothing has moved then.
    """
    reasons = [f"asked for by {actor}", *([asked.reason] if asked.reason else [])]
    former = champion_of(bundles)
    if asked.rollback:
        before = bundles.find_deployment()
        published = rollback(registry, bundles, check)
        store.log(tell_rollback(before, published, reasons, actor))
        return published
    if asked.stop:
        published = stop(registry, bundles, asked.version, check)
        version, action = asked.version, "experiment.stopped"
    else:
        if asked.part != "shadow":
            reasons += admit(registry, bundles, asked.version, asked.override, actor, store.log)
        published = promote(
            registry, bundles, asked.version, asked.part, asked.share, check, asked.fraction
        )
        version = asked.version
        action = "promotion" if asked.part == "champion" else "experiment.started"
    detail: dict[str, JsonValue] = {
        "reasons": [*reasons], "part": asked.part, "published": tell_arms(published),
    }  # fmt: skip
    if action == "promotion" and former not in {None, version}:
        detail["former"] = former
        detail["former_accuracy"] = {
            target: [low, high]
            for target, (low, high) in find_accuracy(store, str(former), alpha, believed).items()
        }
    store.log(Event(at=datetime.now(UTC), actor=actor, action=action, subject=version,
                    detail=detail))  # fmt: skip
    return published


def main() -> None:
    asked = parse()
    params = read_params()
    run.begin(params.seed)
    registry, bundles = Registry.open(Path.cwd(), params.registry.name), open_store()
    store = open_sql_store(asked.url)
    try:
        with exclusive(DEPLOYMENT, wait_seconds=PATIENCE):
            obey(
                asked,
                registry,
                bundles,
                store,
                getpass.getuser(),
                alpha=params.experiment.verdict.alpha,
                believed=believed_feedback(),
            )
    except TicketAssistantError as error:
        sys.exit(f"promote: {error}")
    finally:
        store.close()


if __name__ == "__main__":
    main()
