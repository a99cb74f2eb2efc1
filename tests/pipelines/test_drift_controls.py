"""Windows that did not move are not told, windows that did are; both by the command."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from data.errors import DataError
from evaluation.drift_report import Rules
from evaluation.drift_vectors import HASHED
from pipelines.drift_controls import ALIKE, Pool, conditions, measure, sample_tickets
from pipelines.drift_windows import Source
from tests.pipelines.drifting import LABELS, NEW_WORDS, make_tickets, window_of

OWN = 600


class Keywords:
    targets = LABELS
    members: ClassVar[dict[str, object]] = {}

    def predict_proba(self, texts: list[str]) -> dict[str, np.ndarray]:
        named = np.array(["network" in text for text in texts])
        return {"category": np.where(named[:, None], [0.97, 0.03], [0.3, 0.7])}


def test_conditions_draw_whole_windows_of_the_tickets_there_are() -> None:
    labels = ["network"] * 300 + ["printer"] * 300
    drawn = list(conditions(labels, 50, 200, 20, seed=1))
    assert {name for name, _ in drawn} == {
        ALIKE, "twice as much network", "twice as much printer",
        "10% of another desk", "30% of another desk",
    }  # fmt: skip
    assert sum(name == ALIKE for name, _ in drawn) == 20
    for name, rows in drawn:
        assert len(rows) == len(set(rows.tolist())) == 200
        assert (rows >= OWN).sum() == {"10% of another desk": 20, "30% of another desk": 50}.get(
            name, 0
        )
    doubled = next(rows for name, rows in drawn if name == "twice as much network")
    assert np.mean(doubled < 300) > 0.55


def test_too_few_tickets_are_refused() -> None:
    with pytest.raises(DataError, match="ask fewer"):
        list(conditions(["a"] * 100, 10, 60, 1, seed=1))


def test_what_did_not_move_is_not_told_and_another_desk_is() -> None:
    reference, known = window_of(make_tickets(0, 400))
    texts = make_tickets(1, OWN) + make_tickets(2, 200, NEW_WORDS)
    source = Source(known, HASHED, Keywords(), dict(LABELS))
    pool = Pool(texts, ["en"] * len(texts), source)
    rng = np.random.default_rng(3)
    drawn = [(ALIKE, rng.choice(OWN, 250, replace=False)) for _ in range(8)]
    drawn += [("new", OWN + rng.choice(200, 150, replace=False)) for _ in range(4)]
    found = measure(reference, pool, drawn, Rules(), seed=0)
    assert found[ALIKE]["windows"] == 8
    assert found[ALIKE]["drifted"] <= 1
    assert found["new"]["drifted"] == 4
    assert "embedding.classifier" in " ".join(found["new"]["checks"]) or found["new"]["checks"]
    json.dumps(found)


def test_the_other_desk_is_the_bundled_sample() -> None:
    tickets = sample_tickets(Path(__file__).parents[2])
    assert len(tickets) > 800
    assert {ticket.language for ticket in tickets} >= {"en", "de"}
