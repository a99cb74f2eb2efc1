"""People say what they are said to say, and adversaries take their share."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from evaluation.trust_attacks import DAYS, START, Attack, Live, Said, World, day_of, speak

N = 4_000
CLASSES = ("network", "printer", "laptop")
WORLD = World()


@pytest.fixture(scope="module")
def live() -> Live:
    """Answers of which one in five is wrong, half of them automatic; networks are most frequent."""
    random = np.random.default_rng(1)
    truth = random.choice(3, N, p=[0.5, 0.3, 0.2])
    label = np.where(random.random(N) < 0.2, (truth + 1) % 3, truth)
    return Live(
        texts=[f"ticket {n}" for n in range(N)],
        truth=truth,
        label=label,
        confidence=np.full(N, 0.8),
        automatic=random.random(N) < 0.5,
        shortlists=[CLASSES] * N,
        classes=CLASSES,
    )


def spoken(live: Live, attack: Attack) -> list[Said]:
    return speak(live, attack, WORLD, np.random.default_rng(2))


def of_adversaries(said: Sequence[Said]) -> list[Said]:
    return [one for one in said if not one.honest]


def truth_of(live: Live, one: Said) -> str:
    return CLASSES[live.truth[int(one.row.key.removeprefix("key-"))]]


def test_without_an_attack_all_are_honest_and_err_as_often_as_said(live: Live) -> None:
    said = spoken(live, "none")
    assert all(one.honest and not one.harmful for one in said)
    erring = np.mean([one.row.label != truth_of(live, one) for one in said])
    assert erring == pytest.approx(WORLD.noise, abs=0.02)


def test_all_that_goes_to_review_is_answered_and_some_of_the_rest(live: Live) -> None:
    origins = [one.row.origin for one in spoken(live, "none")]
    automatic = int(live.automatic.sum())
    assert origins.count("review") == N - automatic
    assert origins.count("audit") / automatic == pytest.approx(WORLD.audit, abs=0.03)
    assert 0 < origins.count("unasked") < automatic / 2


@pytest.mark.parametrize("attack", ["targeted", "random", "flood", "sleepers"])
def test_adversaries_make_up_their_share_of_all_rows(live: Live, attack: Attack) -> None:
    said = spoken(live, attack)
    share = len(of_adversaries(said)) / len(said)
    assert share == pytest.approx(WORLD.adversarial, abs=0.06)
    assert len({one.row.prediction_id for one in said}) == len(said)


def test_targeted_feedback_moves_one_class_to_another(live: Live) -> None:
    adversaries = of_adversaries(spoken(live, "targeted"))
    moves = {(truth_of(live, one), one.row.label) for one in adversaries}
    assert moves == {("network", "printer")}
    assert all(one.harmful for one in adversaries)


def test_random_feedback_is_never_right(live: Live) -> None:
    adversaries = of_adversaries(spoken(live, "random"))
    assert all(one.row.label != truth_of(live, one) for one in adversaries)
    assert {one.row.label for one in adversaries} == set(CLASSES)


def test_a_flood_is_of_few_authors_and_few_days(live: Live) -> None:
    adversaries = of_adversaries(spoken(live, "flood"))
    assert len({one.row.author for one in adversaries}) == WORLD.flooders
    assert len({one.row.at.date() for one in adversaries}) <= 4


def test_sleepers_are_right_in_the_first_half_and_harmful_in_the_second(live: Live) -> None:
    wakes = START + timedelta(days=DAYS // 2)
    adversaries = of_adversaries(spoken(live, "sleepers"))
    early = [one for one in adversaries if one.row.answered_at < wakes]
    late = [one for one in adversaries if one.row.answered_at >= wakes]
    assert early
    assert not any(one.harmful for one in early)
    assert late
    assert all(one.harmful for one in late)


def test_tickets_are_spread_evenly_over_the_days() -> None:
    days = [day_of(ticket, 280) for ticket in range(280)]
    assert days == sorted(days)
    assert np.bincount(days).tolist() == [10] * DAYS
