"""What decisions cost with a cascade, and without."""

import time
from collections.abc import Sequence
from typing import Any, Protocol, Self

from data.schema import Prediction, Ticket
from evaluation.costs import one_thread

TICKETS = 512
TOGETHER = 32
"""Tickets of one call, as a busy service gathers them."""


class Decider(Protocol):
    """Whatever decides about tickets by a cascade; a TicketAssistant is one."""

    @property
    def cascade(self) -> Any | None: ...

    def decide(self, tickets: Sequence[Ticket]) -> list[Prediction]: ...

    def without_cascade(self) -> Self: ...


def measure_tiers(assistant: Decider, texts: Sequence[str]) -> dict[str, float]:
    """Seconds for the decisions about 1,000 tickets on one thread, with and without the cascade.

    Parameters
    ----------
    texts : `TICKETS` of them are timed, spread evenly

    Returns
    -------
    `seconds_per_1000` and `seconds_per_1000_alone` (all members decide about every ticket),
    `stopped` (share of these tickets), `tickets`, `together` and `threads`; empty without a cascade
    or texts.
    """
    if assistant.cascade is None or not texts:
        return {}
    tickets = [Ticket(text=text) for text in texts[:: max(1, len(texts) // TICKETS)][:TICKETS]]
    with one_thread():
        with_cascade, answers = _timed(assistant, tickets)
        alone, _ = _timed(assistant.without_cascade(), tickets)
    return {
        "seconds_per_1000": round(1000 * with_cascade / len(tickets), 2),
        "seconds_per_1000_alone": round(1000 * alone / len(tickets), 2),
        "stopped": sum(answer.tier == "linear" for answer in answers) / len(tickets),
        "tickets": len(tickets),
        "together": TOGETHER,
        "threads": 1,
    }


def _timed(assistant: Decider, tickets: Sequence[Ticket]) -> tuple[float, list[Prediction]]:
    assistant.decide(tickets[:TOGETHER])  # what is loaded on first use is not timed
    answers: list[Prediction] = []
    began = time.perf_counter()
    for start in range(0, len(tickets), TOGETHER):
        answers += assistant.decide(tickets[start : start + TOGETHER])
    return time.perf_counter() - began, answers
