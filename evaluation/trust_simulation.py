"""What the defences against false feedback hold, on real tickets: evaluation/reports/trust.json.

    python -m evaluation.trust_simulation

A linear model learns from some tickets and answers others over several weeks. A fifth of all that
people then say of them comes from adversaries (`evaluation.trust_attacks`). What is learned from it
is measured on tickets that nobody spoke of: no feedback, all of it, and what the defences leave of
it. All that is done is done by the functions of the loop: `suspect` batch by batch, then `select`.
"""

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import vstack

from data.catalog import CATALOG, read_catalog
from data.chain import START as ORIGIN
from data.download import new_client
from data.duplicates import copy_keys
from data.feedback_files import Batch
from data.feedback_rows import Entry, FeedbackRow, Scope
from data.records import read_records
from data.tables import read_rows
from data.text import model_text
from evaluation.files import write_json
from evaluation.league.sources import fetch_sources
from evaluation.trust import score_authors
from evaluation.trust_attacks import ATTACKS, DAYS, START, TARGET, Live, Said, World, day_of, speak
from evaluation.trust_params import FeedbackParams
from evaluation.trust_selection import select
from evaluation.trust_suspicion import suspect
from models.heads import fit_head, predict_head
from models.linear import LinearMember, LinearParams
from models.routing import RoutingParams, fit_policy
from models.shortlist import fit_shortlist

logger = logging.getLogger(__name__)

REPORT = Path("evaluation/reports/trust.json")
DATASET = "it-service-tickets"
DAYS_A_BATCH = 7


class Tickets(NamedTuple):
    """Texts and labels."""

    texts: list[str]
    labels: list[str]

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "Tickets":
        """Some of them, in the order asked for."""
        return Tickets([self.texts[i] for i in rows], [self.labels[i] for i in rows])


class Learner:
    """A linear model of the shipped kind; its terms are those of the known tickets.

    Each text is encoded once and each fit is one of the head alone.
    """

    def __init__(self, known: Tickets, test: Tickets) -> None:
        params = LinearParams(max_features=20_000, C=4.0)
        self.member = LinearMember(params).fit(known.texts, {TARGET: known.labels})
        self._known = known
        self._features = self.member.encode(known.texts)
        self._test = self.member.encode(test.texts)
        self._right = np.array(test.labels)
        self._c = params.C

    def measure(self, rows: Sequence[FeedbackRow] = ()) -> float:
        """Accuracy on test of what is learned from the known tickets and feedback."""
        more = self.member.encode([row.ticket.text for row in rows])
        labels = [*self._known.labels, *(row.label for row in rows)]
        head = fit_head(vstack([self._features, more]).tocsr(), labels, self._c)
        found = np.array(head.classes_)[predict_head(head, self._test).argmax(axis=1)]
        return round(float((found == self._right).mean()), 4)


def simulate(tickets: Tickets, world: World, params: FeedbackParams) -> dict[str, object]:
    """The whole simulation; the content of trust.json."""
    random = np.random.default_rng(world.seed)
    order = random.permutation(len(tickets.texts))
    sizes = (world.known, world.valid, world.live, world.test)
    ends = np.cumsum(sizes)
    known, valid, unseen, test = (
        tickets.take(order[end - size : end]) for end, size in zip(ends, sizes, strict=True)
    )
    learner = Learner(known, test)
    live = answer(learner.member, valid, unseen, world.promised)
    without = learner.measure()
    attacks: dict[str, object] = {}
    for attack in ATTACKS:
        said = speak(live, attack, world, np.random.default_rng(world.seed + 1))
        attacks[attack] = {"accuracy_without": without, **defend(said, live, learner, params)}
        logger.info("%s: %s", attack, json.dumps(attacks[attack]))
    return {
        "dataset": DATASET,
        "world": world._asdict(),
        "params": params.model_dump(mode="json"),
        "automation": round(float(live.automatic.mean()), 4),
        "attacks": attacks,
    }


def answer(model: LinearMember, valid: Tickets, live: Tickets, promised: float) -> Live:
    """What a model, certified on the valid tickets, says of the live ones."""
    classes = model.targets_[TARGET]
    position = {label: k for k, label in enumerate(classes)}
    right = np.array([position[label] for label in valid.labels], dtype=np.int64)
    on_valid = model.predict_proba(valid.texts)[TARGET]
    half = len(right) // 2
    policy = fit_policy(
        (on_valid[half:], right[half:]),
        (on_valid[:half], right[:half]),
        classes,
        RoutingParams(accuracy=promised),
        "split",
    )
    reviewed = ~policy.decide(on_valid).automatic
    shortlist = fit_shortlist(
        on_valid[reviewed], right[reviewed], RoutingParams().shortlist_coverage
    )
    probabilities = model.predict_proba(live.texts)[TARGET]
    decided = policy.decide(probabilities)
    return Live(
        texts=live.texts,
        truth=np.array([position[label] for label in live.labels], dtype=np.int64),
        label=decided.label,
        confidence=decided.confidence,
        automatic=decided.automatic,
        shortlists=[tuple(classes[k] for k in shortlist.candidates(p)) for p in probabilities],
        classes=classes,
    )


def defend(
    said: Sequence[Said], live: Live, learner: Learner, params: FeedbackParams
) -> dict[str, object]:
    """What is learned with and without the defences, and which rows they keep."""
    expected: dict[tuple[date, str, str], float] = defaultdict(float)
    for ticket in np.flatnonzero(live.automatic):
        day = (START + timedelta(days=day_of(int(ticket), len(live.texts)))).date()
        cell = day, TARGET, live.classes[live.label[ticket]]
        expected[cell] += 1 - live.confidence[ticket]
    batches: list[tuple[Batch, list[FeedbackRow]]] = []
    tests: Counter[str] = Counter()
    for week in range(DAYS // DAYS_A_BATCH):
        first = START + timedelta(days=week * DAYS_A_BATCH)
        last = first + timedelta(days=DAYS_A_BATCH)
        rows = [one.row for one in said if first <= one.row.at < last]
        history = [row for b, old in batches for row in old if b.held_by(row) is None]
        everything = [row for _, old in batches for row in old]
        authors = score_authors([*everything, *rows], {}, params)
        found = suspect(rows, history, authors, expected, params)
        tests.update(one.test for one in found)
        scopes = {number: one.scope for number, one in enumerate(found)}
        batches.append((_batch(week, scopes), rows))
    selection = select(batches, {}, params)
    let = {row.prediction_id for row in selection.chosen}
    # Audited tickets are evidence and never learned from, so no defence loses or lets them in.
    honest = [one for one in said if one.honest and one.row.origin != "audit"]
    harmful = [one for one in said if one.harmful and one.row.origin != "audit"]
    kept = [one for one in said if one.row.prediction_id in let]
    return {
        "rows": len(said),
        "harmful": len(harmful),
        "accuracy_blind": learner.measure([one.row for one in said]),
        "accuracy_defended": learner.measure(selection.chosen),
        "accuracy_honest_alone": learner.measure([one.row for one in honest]),
        "harmful_let_through": _share([one for one in kept if one.harmful], harmful),
        "honest_lost": round(1 - _share([one for one in kept if one.honest], honest), 4),
        "set_aside": selection.counts,
        "suspicions": dict(sorted(tests.items())),
    }


def _share(part: Sequence[object], whole: Sequence[object]) -> float:
    return round(len(part) / len(whole), 4) if whole else 0.0


def _batch(week: int, scopes: Mapping[int, Scope]) -> Batch:
    at = START + timedelta(days=(week + 1) * DAYS_A_BATCH)
    entry = Entry(
        number=1, previous=ORIGIN, kind="collected", batch=f"week-{week}", at=at, actor="simulation"
    )
    return Batch(entry.batch, entry, {}, scopes)


def read_some(root: Path, n: int, seed: int) -> Tickets:
    """So many tickets of the data set, no two alike.

    Raises
    ------
    FetchError
        If neither mirror nor origin has the data set: another one would not do here.
    """
    dataset = read_catalog(root / CATALOG)[DATASET]
    with new_client() as client:
        folder = fetch_sources([DATASET], read_catalog(root / CATALOG), root, client)[DATASET]
    rows = (row for name in dataset.tables for row in read_rows(folder / name, dataset))
    raw, _ = read_records(rows, dataset, [TARGET], 20_000)
    distinct = dict(zip(copy_keys([t.text for t in raw]), raw, strict=True))
    order = np.random.default_rng(seed).permutation(len(distinct))
    every = [distinct[key] for key in sorted(distinct)]
    some = [every[i] for i in order[:n]]
    return Tickets([model_text(t.text) for t in some], [str(t.labels[TARGET]) for t in some])


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    world = World()
    needed = world.known + world.valid + world.live + world.test
    write_json(REPORT, simulate(read_some(Path.cwd(), needed, world.seed), world, FeedbackParams()))


if __name__ == "__main__":
    main()
