"""What an assistant remembers, and what it answers with it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError, NoMemoryError
from data.schema import Ticket
from models.assistant import MEMBERS, MEMORY, Facts, TicketAssistant
from models.memory import Memory, MemoryParams
from tests.models.test_assistant import Constant, assistant, ensemble

LABELS = {"category": ["a"] * 40 + ["c"] * 40}


def vectors(n: int, seed: int = 0) -> np.ndarray:
    """Two clusters, around the first and the second axis."""
    random = np.random.default_rng(seed)
    found = random.normal(scale=0.05, size=(n, 4)).astype(np.float32)
    found[: n // 2, 0] += 1
    found[n // 2 :, 1] += 1
    return found


def memory(neighbours: int = 2) -> Memory:
    return Memory.build(
        MemoryParams(neighbours=neighbours, accepted=0.9),
        vectors(80),
        vectors(200, seed=1),
        [f"T-{i:02}" for i in range(80)],
        LABELS,
        "category",
        ["restarted", *[None] * 79],
    )


class Encoding(Constant):
    """Texts that mention a printer lie on the first axis, others where nobody has been."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.array(
            [[1, 0, 0, 0] if "printer" in t else [0, 0, 0, 1] for t in texts], np.float32
        )

    def predict_features(self, features: np.ndarray) -> dict[str, np.ndarray]:
        return {"category": np.tile(self.answer, (len(features), 1))}


def remembering(neighbours: int = 2) -> TicketAssistant:
    return TicketAssistant(
        {"finetuned": Encoding([0.9, 0.05, 0.05])},
        ensemble({"finetuned": 1.0}),
        Facts(version="v"),
        memory=memory(neighbours),
    )


def test_a_ticket_like_none_before_goes_to_a_person() -> None:
    known, novel = remembering().predict([Ticket(text="the printer"), Ticket(text="the moon")])
    assert known.targets["category"].reason == "certified"
    assert known.novelty is not None
    assert known.novelty > 0.1
    assert (novel.targets["category"].decision, novel.targets["category"].reason) == (
        "review",
        "novel",
    )
    assert novel.novelty is not None
    assert novel.novelty < 0.1


def test_the_nearest_tickets_stand_under_the_answer() -> None:
    [prediction] = remembering().predict([Ticket(text="the printer")])
    assert len(prediction.similar) == 2
    assert all(found.labels == {"category": "a"} for found in prediction.similar)
    [more] = remembering().find_similar(["the printer"], 40)
    assert {found.labels["category"] for found in more} == {"a"}
    assert [found.resolution for found in more if found.id == "T-00"] == ["restarted"]
    assert remembering(0).predict([Ticket(text="the printer")])[0].similar == ()
    assert remembering().find_similar([], 3) == []


def test_without_a_memory_nothing_is_novel_and_nothing_can_be_found() -> None:
    plain = assistant(one=Constant([0.8, 0.1, 0.1]))
    [prediction] = plain.predict([Ticket(text="help")])
    assert (prediction.novelty, prediction.similar) == (None, ())
    with pytest.raises(NoMemoryError):
        plain.find_similar(["help"], 3)


def test_a_memory_survives_the_disk(tmp_path: Path) -> None:
    made = memory()
    made.save(tmp_path)
    read = Memory.load(tmp_path)
    assert read.params == made.params
    query = vectors(6, seed=2)
    np.testing.assert_array_equal(read.novelty.score(query), made.novelty.score(query))
    assert read.index.search(query, 3) == made.index.search(query, 3)


def test_a_broken_memory_is_a_bundle_error(tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text('{"member": "linear"}')
    with pytest.raises(BundleError, match="no memory"):
        Memory.load(tmp_path)


def test_a_memory_of_a_member_without_weight_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loaded(Constant):
        @classmethod
        def load(cls, folder: Path) -> "Loaded":
            return cls([1, 0, 0])

    monkeypatch.setitem(MEMBERS, "linear", Loaded)
    ensemble({"linear": 1.0}).write(tmp_path / "ensemble")
    assert TicketAssistant.load_parts(tmp_path).memory is None
    memory().save(tmp_path / MEMORY)
    with pytest.raises(BundleError, match="finetuned, which carries no weight"):
        TicketAssistant.load_parts(tmp_path)


def test_with_facts_keeps_the_memory() -> None:
    renamed = remembering().with_facts(Facts(version="w"))
    assert renamed.version == "w"
    assert renamed.find_similar(["the printer"], 1)[0][0].labels == {"category": "a"}
