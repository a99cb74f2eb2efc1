"""Parts cost what they add to an answer, ticket by ticket."""

import csv
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from data.catalog import CATALOG, read_catalog
from data.errors import BundleError, ModelError
from evaluation.costs import one_thread
from evaluation.league.reading_costs import (
    SAMPLE,
    SERVICE,
    SPINE,
    TOTAL,
    ReadingCosts,
    fit_tiny,
    measure_parts,
    summarise,
)
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


def test_figures_are_medians_and_shares_of_the_spine() -> None:
    taken = {
        SPINE: np.array([9.0, 10, 11]),
        "words": np.array([1.0, 2, 3]),
        TOTAL: np.array([12.0, 13, 14]),
    }
    found = {one.metric: one for one in summarise("own", taken)}
    assert next(iter(found)) == "added_share"
    assert {name: one.value for name, one in found.items()} == {
        "added_share": pytest.approx(0.3),
        "spine_ms": 10,
        "words_ms": 2,
        "total_ms": 13,
        "words_share": pytest.approx(0.2),
    }
    assert found["words_ms"].ci == (1, 3)
    assert {one.n for one in found.values()} == {3}


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_without_a_bundle_it_says_what_to_do(tmp_path: Path) -> None:
    folders = {SERVICE: tmp_path, SAMPLE: ROOT / "data/sample"}
    with pytest.raises(BundleError, match="run `make` first"):
        ReadingCosts(tmp_path / "candidate").run(folders, small=False)


def test_the_benchmark_runs_in_seconds_without_a_bundle(tmp_path: Path) -> None:
    entry = read_catalog(ROOT / CATALOG)[SERVICE]
    published = entry.published["luna"]["test"]
    assert published.rows is not None
    texts = [(f"laptop {i} does not start", "Hardware") for i in range(published.rows)]
    for name in (entry.tables[0], published.file):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("Document", "Topic_group"), *texts])
    folders = {SERVICE: tmp_path, SAMPLE: ROOT / "data/sample"}
    figures = ReadingCosts(tmp_path / "none").run(folders, small=True)
    for split in (SERVICE, SAMPLE):
        found = {one.metric: one for one in figures if one.split == split}
        assert {f"{name}_ms" for name in ALWAYS} | {"added_share"} <= set(found)
        assert all(one.n == 8 and one.ci is not None for one in found.values())
