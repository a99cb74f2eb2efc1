"""What other shares do to certificates, where Bayes' own probabilities are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.prepared import Prepared
from evaluation.prior_simulation import Tally, measure, read_answers, shifts, simulate, tell
from models.routing import RoutingParams, fit_policy
from tests.windows import CENTRES, DIMENSION, PRIORS, posterior

N = 12_000


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    truth = random.choice(3, N, p=PRIORS)
    vectors = CENTRES[truth] * 0.7 + random.standard_normal((N, DIMENSION))
    return posterior(vectors), truth


@pytest.fixture(scope="module")
def found(answers: tuple[np.ndarray, np.ndarray]) -> dict[str, dict[str, Tally]]:
    return simulate(*answers, repeats=3)


def test_adjusting_helps_and_certifying_anew_holds(found: dict[str, dict[str, Tally]]) -> None:
    ways = found["largest class a third"]
    assert ways["left"].worst < 0.93
    assert ways["adjusted"].worst > ways["left"].worst + 0.01
    assert ways["certified"].worst > 0.94
    assert ways["adjusted"].accuracy > ways["left"].accuracy
    assert abs(ways["adjusted"].accuracy - ways["known"].accuracy) < 0.01


def test_without_a_shift_there_is_nothing_to_adjust(found: dict[str, dict[str, Tally]]) -> None:
    left, adjusted = found["none"]["left"], found["none"]["adjusted"]
    assert adjusted.automation == pytest.approx(left.automation, abs=0.03)
    assert adjusted.worst == pytest.approx(left.worst, abs=0.01)


def test_shares_are_shares() -> None:
    base = np.array([0.5, 0.3, 0.15, 0.05])
    told = shifts(base, np.random.default_rng(0))
    assert all(shares.sum() == pytest.approx(1) for shares in told.values())
    assert told["largest class a third"].argmax() == 1
    assert told["smallest class four times"][3] == pytest.approx(0.2 / 1.15)
    assert told["none"] is base


def test_weights_say_how_often_a_ticket_counts() -> None:
    probabilities = np.array([[0.99, 0.01]] * 40 + [[0.01, 0.99]] * 40)
    truth = np.array([0] * 40 + [1] * 40)
    policy = fit_policy(
        (np.repeat(probabilities, 5, axis=0), np.repeat(truth, 5)), (probabilities, truth),
        ("a", "b"), RoutingParams(), "invented",
    )  # fmt: skip
    wrong = np.where(np.arange(80) % 40 == 0, 1 - truth, truth)  # one of each class is another's
    weights = np.where(wrong == 0, 1.0, 4.0)
    facts = measure(policy, probabilities, wrong, weights)
    # Named a: 39 of weight 1 right, 1 of weight 4 wrong; named b: 39 of weight 4, 1 of weight 1.
    assert facts["worst"] == pytest.approx(39 / 43)
    assert (facts["classes"], facts["short"], facts["by_a_point"]) == (2, 1, 1)
    assert facts["accuracy"] == pytest.approx((39 + 156) / (43 + 157))


def test_the_table_tells_every_way(found: dict[str, dict[str, Tally]]) -> None:
    lines = tell(found).splitlines()
    assert len(lines) == 2 + sum(map(len, found.values()))
    assert lines[2].startswith("| none | left | 0.")


def test_only_train_rows_with_an_answer_and_a_label_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame(
        {"split": ["train"] * 5 + ["test"], "kind": ["a", "b", None, "a", "b", "a"]}
    )
    prepared = Prepared(frame, {"kind": ("a", "b")}, {})
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6]] * 3, np.float32)
    probabilities[3] = np.nan
    np.savez(tmp_path / "answers.npz", kind=probabilities)
    monkeypatch.setattr("evaluation.prior_simulation.read_prepared", lambda folder: prepared)
    target, found, truth = read_answers(tmp_path / "answers.npz", tmp_path)
    assert (target, truth.tolist()) == ("kind", [0, 1, 1])
    assert found.argmax(axis=1).tolist() == [0, 1, 0]
