"""Command: decide whether a candidate may answer in the champion's place.

    python -m pipelines.gate VERSION
    python -m pipelines.gate models/bundles/candidate --against it-service-tickets-0a1b2c3d

Both bundles answer the test split of the prepared data, the golden set and the tickets audited
lately. The decision is printed, kept in the bundle store and in MLflow, and logged;
`pipelines.promote` asks for it.
"""

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.errors import DataError, TicketAssistantError
from data.golden import GOLDEN, read_golden
from data.prepared import Prepared, read_prepared
from data.sql import STORE_URL, open_sql_store
from data.store import Store
from evaluation.gate import decide
from evaluation.gate_decision import GateDecision, Rule, conclude, tell
from evaluation.gate_rows import Compared, Rows, pair
from evaluation.suites import read_suites
from models.bundle import load
from models.publishing import BundleStore, open_store
from models.registry import Registry
from pipelines import run
from pipelines.belief import believed_feedback
from pipelines.decisions import champion_of, keep
from pipelines.gate_examination import Examined, Opened, examine
from pipelines.gate_sources import audit_rows, copies_of, golden_rows, read_test_rows
from pipelines.params import Params, read_params
from pipelines.score import find_bundle
from pipelines.train import PREPARED

logger = logging.getLogger(__name__)

PASSED, STOPPED, REFUSED = 0, 1, 3
EXITS = "exit status: 0 the candidate passed; 3 it was refused; 1 nothing was decided"


def gate(
    candidate: Path,
    champion: Path | None,
    prepared: Prepared,
    others: Sequence[Rows],
    params: Params,
    *,
    at: datetime,
    opened: Opened = load,
    lost: Mapping[str, Mapping[str, Collection[str]]] | None = None,
) -> GateDecision:
    """Decide about a candidate, whose folder is given, against a champion.

    Parameters
    ----------
    champion : None where there is none; then the candidate passes on its own rules
    others : rows beside the test split: golden and audited tickets; those without a row are told
    lost : version -> target -> labels withheld from routing while that bundle answers

    Raises
    ------
    DataError
        If the candidate learned from another data set than the prepared one.
    BundleError
        If a bundle is not whole or does not answer its probes.
    """
    sources = [read_test_rows(prepared), *(rows for rows in others if len(rows))]

    def look(folder: Path) -> Examined:
        suites = read_suites().model_copy(update={"tickets": params.evaluate.behavior_tickets})
        toned = {*prepared.ordered, *params.ordinal.targets}
        return examine(
            folder, sources, suites, opened=opened, seed=params.seed, toned=toned, lost=lost
        )

    first = look(candidate)
    if first.manifest.dataset != prepared.summary["dataset"]:
        raise DataError(
            f"{first.manifest.version} learned from {first.manifest.dataset}, the prepared data "
            f"are {prepared.summary['dataset']}: prepare those it learned from"
        )
    second = look(champion) if champion else None
    standing, told = _standing(first, second)
    compared, fairness = _paired(sources, first, standing, prepared)
    decision = decide(
        first.contestant,
        standing.contestant if standing else None,
        compared,
        params.gate,
        at=at,
        seed=params.seed,
        draws=params.evaluate.bootstrap,
        data=_fingerprints(prepared, first, second, sources),
    )
    absent = [
        Rule(name="rows", passed=None, source=rows.source, why="there are none to compare on")
        for rows in others
        if not len(rows)
    ]
    against = second.manifest.version if second else None
    rules = [*told, *fairness, *absent, *decision.rules]
    return conclude(decision.candidate, against, rules, at, decision.data)


def decide_now(
    candidate: Path,
    champion: Path | None,
    bundles: BundleStore,
    store: Store,
    params: Params,
    *,
    at: datetime,
    prepared: Path = PREPARED,
    golden: Path = GOLDEN,
    opened: Opened = load,
) -> GateDecision:
    """Decide on what lies in the house now: prepared data, golden set and store.

    Raises
    ------
    DataError, BundleError
        As `gate`, or if prepared data are missing or the golden set was altered.
    """
    table = read_prepared(prepared)
    since = at - timedelta(days=params.gate.days)
    deployment = bundles.find_deployment()
    return gate(
        candidate,
        champion,
        table,
        [
            golden_rows(read_golden(golden), tuple(table.targets)),
            audit_rows(store, tuple(table.targets), since, believed_feedback()),
        ],
        params,
        at=at,
        opened=opened,
        lost=deployment.all_withheld if deployment else {},
    )


def _standing(first: Examined, second: Examined | None) -> tuple[Examined | None, list[Rule]]:
    """The champion to compare with, if its answers mean anything, and what is said of it."""
    name = "real data"
    if second is None or first.manifest.fallback == second.manifest.fallback:
        return second, []
    if second.manifest.fallback:
        why = "the champion was trained on the bundled sample: there is nothing to compare with"
        return None, [Rule(name=name, passed=None, why=why)]
    why = "the candidate was trained on the bundled sample, the champion was not"
    return second, [Rule(name=name, passed=False, why=why)]


def _paired(
    sources: Sequence[Rows], first: Examined, second: Examined | None, prepared: Prepared
) -> tuple[list[Compared], list[Rule]]:
    """Rows that neither bundle learned from, and what is known of that."""
    compared: list[Compared] = []
    rules = []
    both = [one for one in (first, second) if one]
    for rows in sources:
        unfair, unknown = _learned_from(rows, both, prepared)
        compared += pair(
            rows,
            first.answers[rows.source],
            second.answers[rows.source] if second else None,
            unfair,
        )
        why = f"{len(unfair)} of {len(rows)} rows left out: a bundle has learned from them"
        if unknown:
            why += f"; not known of {', '.join(unknown)}"
        rules.append(
            Rule(
                name="fair rows", passed=None, source=rows.source, value=float(len(unfair)), why=why
            )
        )
    return compared, rules


def _learned_from(
    rows: Rows, both: Sequence[Examined], prepared: Prepared
) -> tuple[set[str], list[str]]:
    """Ids of the rows that one of the bundles learned from, and of which bundles it is not known.

    Test rows are known by the ids that a bundle remembers. Golden and audited tickets have ids of
    another origin; they are known by their texts, if a bundle learned from the prepared data.
    """
    unfair: set[str] = set()
    unknown = []
    for one in both:
        manifest = one.manifest
        current = manifest.data_fingerprint == prepared.summary["fingerprint"]
        if rows.source != "test" and current:
            unfair |= copies_of(rows, prepared)
        elif (
            rows.source == "test"
            and one.learned
            and manifest.dataset == prepared.summary["dataset"]
        ):
            unfair |= one.learned.intersection(rows.ids)
        elif not current:
            unknown.append(manifest.version)
    return unfair, unknown


def _fingerprints(
    prepared: Prepared, first: Examined, second: Examined | None, sources: Sequence[Rows]
) -> dict[str, str | int | None]:
    return {
        "prepared": str(prepared.summary["fingerprint"]),
        "candidate": first.manifest.data_fingerprint,
        "champion": second.manifest.data_fingerprint if second else None,
        **{f"{rows.source}_rows": len(rows) for rows in sources},
    }


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.gate",
        description=(__doc__ or "").splitlines()[0],
        epilog=EXITS,
    )
    parser.add_argument("candidate", help="published version, or folder of a sealed bundle")
    parser.add_argument(
        "--against", default="champion", help="champion (default), a version or a folder"
    )
    parser.add_argument("--url", default=os.environ.get("TICKETS_STORE", STORE_URL))
    parser.add_argument("--json", action="store_true", help="print the decision as JSON")
    parser.add_argument("--actor", default=None, help="who is written into the audit log")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, opened: Opened = load) -> int:
    """Decide as the arguments say; gives the exit status."""
    asked = read_arguments(arguments)
    params = read_params()
    run.begin(params.seed)
    try:
        bundles = open_store()
        named = champion_of(bundles) if asked.against == "champion" else asked.against
        store = open_sql_store(asked.url)
        try:
            decision = decide_now(
                find_bundle(asked.candidate, bundles),
                find_bundle(named, bundles) if named else None,
                bundles,
                store,
                params,
                at=datetime.now(UTC),
                opened=opened,
            )
            registry = Registry.open(Path.cwd(), params.registry.name)
            keep(decision, bundles, registry, asked.actor or getpass.getuser(), store.log)
        finally:
            store.close()
    except (TicketAssistantError, OSError) as error:
        logger.error("%s", error)
        return STOPPED
    sys.stdout.write(decision.to_json() if asked.json else tell(decision))
    return PASSED if decision.passed else REFUSED


if __name__ == "__main__":
    sys.exit(main())
