"""What the defences against false feedback hold, on real tickets: evaluation/reports/trust.json.

    python -m evaluation.trust_simulation

A linear model learns from some tickets and answers others over several weeks. Authors answer what
goes to review, what the audit draws and, unasked, some of what is wrong; honest ones err in 5 % of
the cases. A fifth of all feedback comes from adversaries: they move one class to another
(`targeted`), tell anything (`random`), tell much in few days (`flood`), or are honest for two weeks
and then move one class to another together (`sleepers`). What is learned from then is measured on
tickets that nobody spoke of: no feedback, all of it, and what the defences leave of it. All that is
done is done by the functions of the loop: `suspect` batch by batch, then `select`.
"""

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import vstack

from data.catalog import CATALOG, read_catalog
from data.chain import START as ORIGIN
from data.download import new_client
from data.duplicates import copy_keys
from data.feedback_files import Batch
from data.feedback_rows import Entry, FeedbackRow, Origin, Scope
from data.records import read_records
from data.schema import Ticket
from data.tables import read_rows
from data.text import model_text
from evaluation.files import write_json
from evaluation.league.sources import fetch_sources
from evaluation.trust import score_authors
from evaluation.trust_params import FeedbackParams
from evaluation.trust_selection import select
from evaluation.trust_suspicion import suspect
from models.heads import fit_head, predict_head
from models.linear import LinearMember, LinearParams
from models.routing import RoutingParams, fit_policy
from models.shortlist import fit_shortlist

logger = logging.getLogger(__name__)

REPORT = Path("evaluation/reports/trust.json")
DATASET, TARGET = "it-service-tickets", "category"
Attack = Literal["none", "targeted", "random", "flood", "sleepers"]
ATTACKS: tuple[Attack, ...] = ("none", "targeted", "random", "flood", "sleepers")
START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS, DAYS_A_BATCH = 28, 7


class World(NamedTuple):
    """How many tickets there are and how people behave.

    With 0.95 promised, a linear model of 6,000 tickets routes next to nothing, and what attacks
    certified answers could not be seen; so less is promised here than in the pipeline.
    """

    known: int = 6_000
    valid: int = 6_000
    live: int = 6_000
    test: int = 4_000
    promised: float = 0.9
    honest: int = 20
    adversaries: int = 8
    flooders: int = 3
    noise: float = 0.05
    adversarial: float = 0.2
    audit: float = 0.1
    corrects: float = 0.4
    confirms: float = 0.05
    seed: int = 20261123


@dataclass(frozen=True)
class Live:
    """Tickets with what a model said of them.

    Attributes
    ----------
    truth, label : class positions, shape (n,)
    """

    texts: list[str]
    truth: NDArray[np.int64]
    label: NDArray[np.int64]
    confidence: NDArray[np.float64]
    automatic: NDArray[np.bool_]
    shortlists: list[tuple[str, ...]]
    classes: tuple[str, ...]


class Said(NamedTuple):
    """A row of feedback, and whether it was meant to harm."""

    row: FeedbackRow
    harmful: bool
    honest: bool


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


def speak(live: Live, attack: Attack, world: World, random: np.random.Generator) -> list[Said]:
    """All feedback on the live tickets, the honest and the other."""
    n = len(live.texts)
    audited = live.automatic & (random.random(n) < world.audit)
    asked = audited | ~live.automatic
    wrong = live.label != live.truth
    unasked = random.random(n) < np.where(wrong, world.corrects, world.confirms)
    spoken = np.flatnonzero(asked | unasked)
    if attack == "none":
        taken = np.array([], dtype=np.int64)
    else:
        taken = _attacked(live, attack, asked, len(spoken), world, random)
    truthful = np.setdiff1d(spoken, taken)
    erring = random.random(len(truthful)) < world.noise
    said = []
    for ticket, err in zip(truthful, erring, strict=True):
        label = _other(live.truth[ticket], live, random) if err else live.truth[ticket]
        author = f"honest-{random.integers(world.honest):02d}"
        said.append(_say(live, int(ticket), int(label), author, audited, True))
    authors = world.flooders if attack == "flood" else world.adversaries
    common = np.bincount(live.truth).argsort()[::-1]
    aim, goal = int(common[0]), int(common[1])
    for ticket in taken:
        label = int(live.truth[ticket])
        if attack == "random":
            label = _other(label, live, random)
        elif attack == "flood" or label == aim:
            asleep = attack == "sleepers" and _day(int(ticket), n) < DAYS // 2
            label = label if asleep else goal
        author = f"adversary-{random.integers(authors):02d}"
        said.append(_say(live, int(ticket), label, author, audited, False))
    return said


def _attacked(
    live: Live,
    attack: Attack,
    asked: NDArray[np.bool_],
    spoken: int,
    world: World,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Tickets that adversaries speak of: so many that they make up their share of all rows."""
    n = len(live.texts)
    aim = int(np.bincount(live.truth).argmax())
    wanted = round(spoken * world.adversarial / (1 - world.adversarial))
    days = np.array([_day(ticket, n) for ticket in range(n)])
    if attack == "flood":
        allowed = np.isin(days, range(DAYS // 2, DAYS // 2 + 4))
    elif attack == "targeted":
        allowed = live.truth == aim
    elif attack == "sleepers":
        allowed = np.where(days < DAYS // 2, asked, live.truth == aim)
    else:
        allowed = np.ones(n, dtype=np.bool_)
    pool = np.flatnonzero(allowed)
    return random.choice(pool, min(wanted, len(pool)), replace=False)


def _other(label: int, live: Live, random: np.random.Generator) -> int:
    return int((label + random.integers(1, len(live.classes))) % len(live.classes))


def _day(ticket: int, n: int) -> int:
    return ticket * DAYS // n


def _say(
    live: Live, ticket: int, label: int, author: str, audited: NDArray[np.bool_], honest: bool
) -> Said:
    automatic = bool(live.automatic[ticket])
    origin: Origin = "unasked" if automatic else "review"
    answered_at = START + timedelta(days=_day(ticket, len(live.texts)))
    row = FeedbackRow(
        key=f"key-{ticket}",
        prediction_id=f"{ticket:032x}",
        target=TARGET,
        verdict="confirm" if label == live.label[ticket] else "correct",
        label=live.classes[label],
        author=author,
        at=answered_at + timedelta(hours=2),
        origin="audit" if audited[ticket] else origin,
        propensity=None,
        predicted=live.classes[live.label[ticket]],
        confidence=float(live.confidence[ticket]),
        decision="auto" if automatic else "review",
        shortlist=() if automatic else live.shortlists[ticket],
        bundle="simulated",
        arm="champion",
        answered_at=answered_at,
        language=None,
        customer=None,
        ticket=Ticket(text=live.texts[ticket]),
    )
    return Said(row, harmful=not honest and label != live.truth[ticket], honest=honest)


def defend(
    said: Sequence[Said], live: Live, learner: Learner, params: FeedbackParams
) -> dict[str, object]:
    """What is learned with and without the defences, and which rows they keep."""
    expected: dict[tuple[date, str, str], float] = defaultdict(float)
    for ticket in np.flatnonzero(live.automatic):
        day = (START + timedelta(days=_day(int(ticket), len(live.texts)))).date()
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
