"""What decisions cost, by a clock that the assistant turns."""

from collections.abc import Sequence
from typing import Self

import pytest

from data.schema import Prediction, Ticket
from evaluation import cascade_costs
from evaluation.cascade_costs import TICKETS, TOGETHER, measure_tiers


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow:
    """Takes 10 ms for a ticket of all members and 1 ms for one that stops, every other one."""

    def __init__(self, clock: Clock, cascade: object | None = "a cascade") -> None:
        self.clock = clock
        self.cascade = cascade
        self.calls: list[int] = []

    def decide(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        self.calls.append(len(tickets))
        found = []
        for ticket in tickets:
            stops = self.cascade is not None and int(ticket.text) % 2 == 0
            self.clock.now += 0.001 if stops else 0.010
            tier = "linear" if stops else "ensemble" if self.cascade else None
            found.append(
                Prediction(
                    ticket_id=None, bundle="v", fallback=False, language=None, targets={}, tier=tier
                )
            )
        return found

    def without_cascade(self) -> "Self | Slow":
        return Slow(self.clock, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(cascade_costs, "time", clock)
    return clock


def test_a_cascade_saves_what_stops(clock: Clock) -> None:
    assistant = Slow(clock)
    found = measure_tiers(assistant, [str(i) for i in range(100)])
    assert found["stopped"] == 0.5
    assert found["seconds_per_1000"] == pytest.approx(5.5)
    assert found["seconds_per_1000_alone"] == pytest.approx(10)
    assert (found["tickets"], found["together"], found["threads"]) == (100, TOGETHER, 1)
    # The first call is for what is loaded on first use.
    assert assistant.calls == [32, 32, 32, 32, 4]


def test_no_more_tickets_are_timed_than_are_needed(clock: Clock) -> None:
    assert measure_tiers(Slow(clock), [str(i) for i in range(5000)])["tickets"] == TICKETS


def test_without_a_cascade_or_tickets_there_is_nothing_to_compare(clock: Clock) -> None:
    assert measure_tiers(Slow(clock, None), ["1"]) == {}
    assert measure_tiers(Slow(clock), []) == {}
