"""The stage that weighs members against each other."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.prepared import Prepared
from models.ensemble import EnsembleParams
from models.linear import LinearMember, LinearParams
from models.routing import RoutingParams
from models.runtime import TORCH
from pipelines.tradeoffs import measure_designs, time_members

SPLITS = ("train", "train", "valid", "calibration", "test")


@pytest.fixture
def prepared() -> Prepared:
    n = 2000
    frame = pd.DataFrame(
        {
            "id": [str(i) for i in range(n)],
            "text": "the printer is out of paper again and nobody knows why",
            "language": "en",
            "created_at": None,
            "group": [str(i) for i in range(n)],
            "split": [SPLITS[i % 5] for i in range(n)],
            "fold": [i % 2 if SPLITS[i % 5] == "train" else -1 for i in range(n)],
            "near_train": False,
            "queue": [("a", "b")[i // 5 % 2] for i in range(n)],
        }
    )
    return Prepared(frame, {"queue": ("a", "b")}, {"fingerprint": "f", "dataset": "d"})


def answers(prepared: Prepared, right: float, seed: int) -> dict[str, np.ndarray]:
    """Answers that are right in this share of the tickets, at a confidence that says so."""
    random = np.random.default_rng(seed)
    truth = prepared.label_index("queue")
    told = np.where(random.random(len(truth)) < right, truth, 1 - truth)
    probabilities = np.full((len(truth), 2), 1 - right, dtype=np.float32)
    probabilities[np.arange(len(truth)), told] = right
    return {"queue": probabilities}


def test_a_better_member_is_worth_more_and_a_pair_takes_both_times(prepared: Prepared) -> None:
    members = {"weak": answers(prepared, 0.7, 1), "strong": answers(prepared, 0.995, 2)}
    times = {TORCH: {"weak": 1.0, "strong": 8.0}, "openvino-f32": {"strong": 2.0}}
    found = measure_designs(
        prepared, members, times, {"queue": ["strong"]}, EnsembleParams(), RoutingParams()
    )
    by_name = {(design.name, design.runtime): design for design in found}
    assert by_name.keys() == {
        ("weak", TORCH),
        ("strong", TORCH),
        ("weak + strong", TORCH),
        ("strong", "openvino-f32"),
    }
    weak, strong = by_name["weak", TORCH], by_name["strong", TORCH]
    assert weak.accuracy == pytest.approx(0.7, abs=0.06)
    assert strong.accuracy == pytest.approx(0.995, abs=0.01)
    assert weak.certified_automation == 0
    assert weak.automatic_accuracy is None
    assert strong.certified_automation > 0.9
    assert by_name["weak + strong", TORCH].milliseconds == 9.0
    served = by_name["strong", "openvino-f32"]
    assert (served.accuracy, served.milliseconds, served.shipped) == (strong.accuracy, 2.0, True)
    assert served.best
    assert not strong.best


def test_members_are_timed_as_they_answer(tmp_path: Path) -> None:
    texts = ["printer out of paper", "reset my password"] * 4
    member = LinearMember(LinearParams()).fit(texts, {"queue": ["a", "b"] * 4})
    member.save(tmp_path / "linear")
    times = time_members(["linear"], ["linear"], texts, tmp_path)
    assert times.keys() == {TORCH}
    assert 0 < times[TORCH]["linear"] < 1000
