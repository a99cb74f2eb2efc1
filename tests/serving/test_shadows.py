import logging
import threading
from collections.abc import Iterator, Sequence

import pytest

from data.schema import Prediction, Ticket
from serving.arms import Told
from serving.running import Serving
from serving.shadows import BATCH, Shadows, Showing
from serving.telemetry import Dropped
from tests.serving.arm_fakes import NOW, A, B, C, NamedAssistant
from tests.serving.fakes import make_manifest

SECONDS = 10
"""Until a test gives up; none waits that long."""


class Counts:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.answers: list[Told] = []
        self.dropped: list[tuple[str, int]] = []

    def told(self, answers: Sequence[Told]) -> None:
        self.answers += answers

    def shadow_dropped(self, reason: Dropped, tickets: int = 1) -> None:
        self.dropped.append((reason, tickets))


class World:
    """Shadows with a queue of three and two bundles."""

    def __init__(self) -> None:
        self.bundles = {version: NamedAssistant(version) for version in (B, C)}
        self.idle = threading.Event()
        self.idle.set()
        self.counts = Counts()
        self.recorded: list[Told] = []
        self.shadows = Shadows(3, self.find, self.idle.is_set, self.counts, self.recorded.extend)

    def find(self, version: str) -> Serving | None:
        found = self.bundles.get(version)
        return None if found is None else Serving(make_manifest(version), found)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    for bundle in world.bundles.values():
        bundle.gate.set()
    world.shadows.close()


def showing(name: str = "1", version: str = B) -> Showing:
    prediction = Prediction(
        ticket_id=name, bundle=A, fallback=False, language=None, targets={}, id=name, arm="champion"
    )
    ticket = Ticket(id=name, text="the printer is on fire")
    told = Told(name, NOW, ticket, "customer", prediction, "champion", 0.9, True, 0.02)
    return Showing(version, 0.25, told)


def test_a_shadow_answers_beside_what_was_told(world: World) -> None:
    assert world.shadows.offer(showing("1"))
    assert world.shadows.join(SECONDS)
    (answer,) = world.recorded
    assert (answer.arm, answer.prediction.bundle, answer.propensity) == ("shadow", B, 0.25)
    assert (answer.beside, answer.key, answer.audit, answer.audit_propensity) == (
        "1", "customer", True, 0.02,
    )  # fmt: skip
    assert answer.id == answer.prediction.id != "1"
    assert answer.prediction.arm == "shadow"
    assert answer.at > NOW
    assert world.counts.answers == [answer]
    assert world.shadows.answered == {B: 1}


def test_offering_never_blocks_and_what_does_not_fit_is_dropped_and_counted(world: World) -> None:
    world.bundles[B].gate.clear()
    world.shadows.offer(showing("1"))
    assert world.bundles[B].asked.wait(SECONDS)
    taken = [world.shadows.offer(showing(str(i))) for i in range(5)]
    assert taken == [True, True, True, False, False]
    assert world.counts.dropped == [("full", 1), ("full", 1)]
    world.bundles[B].gate.set()
    assert world.shadows.join(SECONDS)
    assert len(world.recorded) == 4


def test_nothing_is_asked_while_tickets_wait_for_an_answer(world: World) -> None:
    world.idle.clear()
    world.shadows.offer(showing())
    assert not world.shadows.join(0.1)
    assert not world.bundles[B].asked.is_set()
    world.idle.set()
    assert world.shadows.join(SECONDS)
    assert len(world.recorded) == 1


def test_tickets_of_one_shadow_share_a_call(world: World) -> None:
    world.idle.clear()
    for version in (B, B, C):
        world.shadows.offer(showing(version=version))
    world.idle.set()
    assert world.shadows.join(SECONDS)
    assert world.bundles[B].calls == [2]
    assert world.bundles[C].calls == [1]
    assert BATCH >= 2


def test_a_shadow_that_is_published_no_more_is_not_asked(world: World) -> None:
    world.idle.clear()
    world.shadows.offer(showing())
    former = world.bundles.pop(B)
    world.idle.set()
    assert world.shadows.join(SECONDS)
    assert world.counts.dropped == [("withdrawn", 1)]
    assert former.calls == []


def test_a_shadow_that_breaks_is_counted_and_the_next_is_asked(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.bundles[B].fails_on = "printer"
    with caplog.at_level(logging.DEBUG):
        world.shadows.offer(showing(version=B))
        assert world.shadows.join(SECONDS)
        world.shadows.offer(showing(version=C))
        assert world.shadows.join(SECONDS)
    assert world.counts.dropped == [("failed", 1)]
    assert [answer.prediction.bundle for answer in world.recorded] == [C]
    assert "ArithmeticError" in caplog.text
    assert "printer" not in caplog.text.replace("test_", "")


def test_a_closed_queue_takes_no_more(world: World) -> None:
    world.idle.clear()
    world.shadows.offer(showing())
    world.shadows.close()
    assert not world.shadows.offer(showing())
    assert world.recorded == []
