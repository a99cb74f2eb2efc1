"""One month after the other: tickets come in, people answer, the product looks and learns."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.durable import write_text
from evaluation.replay_records import Apart, MonthFacts, Pair, Played, Verdict
from pipelines.replay_looks import AT_ONCE, look, read_events
from pipelines.replay_loop import Loop, is_due
from pipelines.replay_params import Profile
from pipelines.replay_people import People
from pipelines.replay_service import Client, Told, served
from pipelines.replay_tickets import Known, Month, Story
from pipelines.replay_workspace import Workspace

LEARNING = ("loop", "fixed")
WATCHING = ("watched",)
"""Arms; the first one is the one with people."""


def play(
    space: Workspace, story: Story, profile: Profile, begun: Played, arms: Sequence[str],
    state: Path, advance: Callable[[int], None],
) -> Played:  # fmt: skip
    """Play the months that are left, and keep what came of each as soon as it is over.

    Parameters
    ----------
    begun : what is done already
    state : file that is written after every month

    Raises
    ------
    TicketAssistantError
        If the service or a look fails. Started again, the month is played anew.
    """
    played = begun
    if played.done >= len(story.months):
        return played
    with ExitStack() as stack:
        stack.enter_context(space.warm(AT_ONCE))
        clients = {
            arm: stack.enter_context(served(space, arm, story.target, profile.audit_share))
            for arm in arms
        }
        desk = _Desk(space, story, profile, clients)
        for month in story.months[played.done :]:
            played = desk.play(month, played)
            write_text(state, played.model_dump_json() + "\n")
            advance(1)
    return played


class _Desk:
    """The arms of a replay with their services; the first one has people."""

    def __init__(
        self, space: Workspace, story: Story, profile: Profile, clients: Mapping[str, Client]
    ) -> None:
        self._space = space
        self._profile = profile
        self._clients = clients
        self._kept = next(iter(clients))
        self._learns = self._kept == LEARNING[0]
        self._people = People(story.truth, profile.authors)
        self._loop = Loop(space, self._kept, clients[self._kept], profile)

    def play(self, month: Month, played: Played) -> Played:
        """One month, from its first ticket to what is learned of it."""
        began, since = time.monotonic(), datetime.now(UTC)
        self._loop.follow()
        told = self._ask(month)
        client, arms = self._clients[self._kept], list(self._clients)
        answers = self._people.answer(
            client, since.isoformat(), self._profile.answers_a_month, queue=self._learns
        )
        looked = look(self._space, arms, self._kept, since, datetime.now(UTC), month.name)
        seen = looked.drift[self._kept]
        if self._learns and seen.action in {"relabel", "retrain"}:
            answers += self._people.label(client, seen.to_label)
        of_arm = {arm: answers if arm == self._kept else 0 for arm in arms}
        counted = [
            count(month, arm, told[arm], of_arm[arm], Verdict.of(looked.drift[arm])) for arm in arms
        ]
        played = played.model_copy(
            update={
                "done": played.done + 1,
                "alerted": played.alerted or looked.alerted or seen.action != "nothing",
                "months": (*played.months, *counted),
            }
        )
        if self._learns:
            played = self._learn(month, since, told, played)
        events = read_events(self._space, self._kept, month.name, since)
        seconds = played.seconds + time.monotonic() - began
        return played.model_copy(update={"events": (*played.events, *events), "seconds": seconds})

    def _ask(self, month: Month) -> dict[str, list[Told]]:
        """What each arm tells of the tickets, all arms at once."""
        with ThreadPoolExecutor(len(self._clients)) as pool:
            asked = [pool.submit(one.predict, month.tickets) for one in self._clients.values()]
            return {arm: one.result() for arm, one in zip(self._clients, asked, strict=True)}

    def _learn(
        self, month: Month, since: datetime, told: Mapping[str, Sequence[Told]], played: Played
    ) -> Played:
        """Compare the arms, and retrain if it is time to."""
        pairs = self._pairs(month, since, told[self._kept])
        changes: dict[str, Any] = {
            "pairs": (*played.pairs, *pairs),
            "apart": (*played.apart, compare(month, told["loop"], told["fixed"])),
        }
        if is_due(played, self._profile):
            entered, promotion = self._loop.learn(month.name)
            changes |= {"retrained": played.done, "alerted": False}
            changes["events"] = (*played.events, *entered)
            if promotion:
                changes["promotions"] = (*played.promotions, promotion)
        return played.model_copy(update=changes)

    def _pairs(self, month: Month, since: datetime, told: Sequence[Told]) -> list[Pair]:
        """Tickets that the former champion answered too, as a shadow."""
        shadows = self._clients[self._kept].shadows(since.isoformat())
        truth = {ticket.id: ticket.label for ticket in month.tickets}
        return [
            Pair(
                month=month.name,
                version=one.bundle,
                ticket=one.ticket,
                truth=truth[one.ticket],
                label=one.label,
                automatic=one.automatic,
                former_label=shadows[one.prediction].label,
                former_automatic=shadows[one.prediction].automatic,
            )
            for one in told
            if one.prediction in shadows
        ]


def count(month: Month, arm: str, told: Sequence[Told], answers: int, drift: Verdict) -> MonthFacts:
    """The figures of one month in one arm."""
    right = _right(month.tickets, told)
    return MonthFacts.model_validate(
        {
            "month": month.name,
            "arm": arm,
            "bundle": told[-1].bundle,
            "tickets": len(told),
            "right": sum(right),
            "automatic": sum(one.automatic for one in told),
            "automatic_right": sum(
                good and one.automatic for good, one in zip(right, told, strict=True)
            ),
            "answers": answers,
            "drift": drift,
        }
    )


def compare(month: Month, loop: Sequence[Told], fixed: Sequence[Told]) -> Apart:
    """Tickets that only one of two arms got right."""
    first, second = _right(month.tickets, loop), _right(month.tickets, fixed)
    return Apart(
        month=month.name,
        tickets=len(loop),
        only_loop=sum(a and not b for a, b in zip(first, second, strict=True)),
        only_fixed=sum(b and not a for a, b in zip(first, second, strict=True)),
    )


def _right(tickets: Sequence[Known], told: Sequence[Told]) -> list[bool]:
    return [ticket.label == one.label for ticket, one in zip(tickets, told, strict=True)]
