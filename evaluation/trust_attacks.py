"""What honest people and adversaries say of tickets over some weeks, in the simulation of trust.

Authors answer what goes to review, what the audit draws and, unasked, some of what is wrong; honest
ones err in 5 % of the cases. Adversaries move one class to another (`targeted`), tell anything
(`random`), tell much in few days (`flood`), or are honest for the first half of the time and then
move one class to another together (`sleepers`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.feedback_rows import FeedbackRow, Origin
from data.schema import Ticket

TARGET = "category"
Attack = Literal["none", "targeted", "random", "flood", "sleepers"]
ATTACKS: tuple[Attack, ...] = ("none", "targeted", "random", "flood", "sleepers")
START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 28


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
            asleep = attack == "sleepers" and day_of(int(ticket), n) < DAYS // 2
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
    days = np.array([day_of(ticket, n) for ticket in range(n)])
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


def day_of(ticket: int, n: int) -> int:
    """The day, from 0, that brings one of n tickets."""
    return ticket * DAYS // n


def _say(
    live: Live, ticket: int, label: int, author: str, audited: NDArray[np.bool_], honest: bool
) -> Said:
    automatic = bool(live.automatic[ticket])
    origin: Origin = "unasked" if automatic else "review"
    answered_at = START + timedelta(days=day_of(ticket, len(live.texts)))
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
