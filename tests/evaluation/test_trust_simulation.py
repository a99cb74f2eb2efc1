"""The simulation of attacks measures what it says, and the defences hold against each of them."""

from pathlib import Path

import numpy as np
import pytest

from evaluation import trust_simulation as simulation
from evaluation.trust_attacks import World
from evaluation.trust_params import FeedbackParams
from evaluation.trust_simulation import Tickets, read_some, simulate

SMALL = World(known=250, valid=600, live=1_500, test=300, promised=0.9, honest=10, adversaries=5)


@pytest.fixture(scope="module")
def tickets() -> Tickets:
    """Texts of four classes with words of their own, of which some could be of another class."""
    random = np.random.default_rng(4)
    names = ("network", "printer", "laptop", "badge")
    texts, labels = [], []
    for number in range(SMALL.known + SMALL.valid + SMALL.live + SMALL.test):
        k = int(random.integers(4))
        other = int(random.integers(4)) if random.random() < 0.3 else k
        words = [f"{names[random.choice([k, k, other])]}{random.integers(30)}" for _ in range(6)]
        texts.append(" ".join([*words, f"ticket{number}"]))
        labels.append(names[k])
    return Tickets(texts, labels)


@pytest.fixture(scope="module")
def report(tickets: Tickets) -> dict:
    return simulate(tickets, SMALL, FeedbackParams())


def test_every_attack_makes_up_its_share_of_all_rows(report: dict) -> None:
    honest = report["attacks"]["none"]
    assert honest["harmful"] == 0
    for name in ("targeted", "random"):
        found = report["attacks"][name]
        assert found["harmful"] / found["rows"] == pytest.approx(0.2, abs=0.05)


def test_honest_feedback_is_kept(report: dict) -> None:
    assert report["attacks"]["none"]["honest_lost"] <= 0.1


@pytest.mark.parametrize("attack", ["targeted", "random", "flood", "sleepers"])
def test_the_defences_keep_most_of_an_attack_out_and_lose_little(report: dict, attack: str) -> None:
    found = report["attacks"][attack]
    assert found["harmful"] > 0
    assert found["harmful_let_through"] < 0.5
    assert found["honest_lost"] < 0.25
    assert found["accuracy_defended"] >= found["accuracy_blind"] - 0.01


def test_it_is_the_same_every_time(report: dict, tickets: Tickets) -> None:
    world = SMALL._replace(known=60, valid=60, live=60, test=30)
    first, second = (simulate(tickets, world, FeedbackParams()) for _ in range(2))
    assert first == second


@pytest.mark.mirror
def test_real_tickets_are_read_without_copies() -> None:
    root = Path(__file__).parents[2]
    if not (root.parent / "shared/data").is_dir():
        pytest.skip("no mirror")
    found = read_some(root, 50, 1)
    assert len(set(found.texts)) == 50


def test_the_command_writes_the_report(
    tickets: Tickets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = SMALL._replace(known=60, valid=60, live=60, test=30)
    monkeypatch.setattr(simulation, "World", lambda: tiny)
    monkeypatch.setattr(simulation, "read_some", lambda *_: tickets)
    simulation.main()
    assert (tmp_path / simulation.REPORT).exists()
