"""Parts cost what they add to an answer, ticket by ticket."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data.errors import ModelError
from evaluation.league.reading_costs import fit_tiny
from evaluation.league.reading_parts import SPINE, TOTAL, measure_parts
from models.assistant import TicketAssistant
from models.memory import Memory, MemoryParams
from models.readers import SENTIMENT, TAGGER, ReaderFacts, Readers, Readings

ROOT = Path(__file__).parents[3]
ALWAYS = {SPINE, TOTAL, "language", "entities", "words"}
TEXTS = ["the printer on floor 3 jams", "VPN of vpn.a.example fails with E404"]


class Slow(Readers):
    """Readers that take so many seconds and find nothing."""

    def __init__(self, **seconds: float) -> None:
        facts = ReaderFacts(dataset="invented", fallback=False, rows=1, figures={}, test_rows=1)
        super().__init__(facts=dict.fromkeys(seconds, facts))
        self.seconds = seconds

    def without(self, *names: str) -> "Slow":
        return Slow(**{name: s for name, s in self.seconds.items() if name not in names})

    def read(self, written, texts, times, states=None, languages=None) -> Readings:
        time.sleep(sum(self.seconds.values()))
        return Readings([()] * len(written), [None] * len(written), ())


class Broken(Slow):
    def read(self, written, texts, times, states=None, languages=None) -> Readings:
        return Readings([()] * len(written), [None] * len(written), (TAGGER,))


@pytest.fixture(scope="module")
def tiny() -> TicketAssistant:
    return fit_tiny(ROOT / "data/sample")


class Dense:
    """The member of a tiny assistant with vectors of its own beside it."""

    def __init__(self, member) -> None:
        self.member, self.targets_ = member, member.targets_

    def predict_proba(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        return self.member.predict_proba(texts)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1, len(text), 0, 1] for text in texts], np.float32)

    def predict_features(self, features: np.ndarray) -> dict[str, np.ndarray]:
        return self.member.predict_proba([""] * len(features))


def with_readers(tiny: TicketAssistant, readers: Readers) -> TicketAssistant:
    return TicketAssistant(tiny.members, tiny.ensemble, readers=readers)


def test_an_assistant_without_learned_parts_has_the_others(tiny: TicketAssistant) -> None:
    taken = measure_parts(tiny, TEXTS, rounds=2)
    assert set(taken) == ALWAYS
    assert list(taken)[-1] == TOTAL
    assert all(times.shape == (2,) and (times > 0).all() for times in taken.values())


def test_a_reader_costs_what_it_adds(tiny: TicketAssistant) -> None:
    slow = with_readers(tiny, Slow(**{SENTIMENT: 0.05, TAGGER: 0.1}))
    taken = measure_parts(slow, TEXTS, rounds=2)
    assert set(taken) == ALWAYS | {"sentiment", "learned_entities"}
    # Nothing but the machine decides how much later than asked for a sleeper wakes.
    assert np.median(taken["sentiment"]) == pytest.approx(50, abs=40)
    assert np.median(taken["learned_entities"]) == pytest.approx(100, abs=40)
    assert (taken[TOTAL] - taken[SPINE] >= 150 - 40).all()


def test_a_part_that_fails_is_not_timed(tiny: TicketAssistant) -> None:
    with pytest.raises(ModelError, match="tagger failed"):
        measure_parts(with_readers(tiny, Broken()), TEXTS)


def test_novelty_and_neighbours_are_told_where_tickets_are_remembered(
    tiny: TicketAssistant,
) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    known = Memory.build(
        MemoryParams(accepted=0.9),
        vectors,
        vectors,
        [str(n) for n in range(60)],
        {"category": ["a"] * 60},
        "category",
        [None] * 60,
    )
    members = {**tiny.members, "finetuned": Dense(tiny.members["linear"])}
    assistant = TicketAssistant(members, _of_both(tiny), memory=known)
    taken = measure_parts(assistant, TEXTS, rounds=3)
    assert set(taken) == ALWAYS | {"novelty", "neighbours"}
    assert (taken["novelty"] > 0).all()
    assert (taken["neighbours"] > 0).all()


def _of_both(tiny: TicketAssistant):
    both = {"linear": 0.5, "finetuned": 0.5}
    targets = {
        name: target.model_copy(update={"weights": both, "temperatures": dict.fromkeys(both, 1.0)})
        for name, target in tiny.ensemble.targets.items()
    }
    return tiny.ensemble.model_copy(update={"targets": targets})
