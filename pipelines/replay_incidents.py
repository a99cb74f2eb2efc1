"""Months of a desk in which things go wrong, staged: what does the product do about them?

One author poisons feedback, a supervisor lets it be learned, it is revoked; an export is wrong and
what learned from it is promoted against the gate. Tickets, service, store and commands are those of
the usual replay. Only the faults and the decisions of people are staged.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.durable import write_text
from data.errors import DataError
from evaluation.replay_incident_records import Counts, RolledBack, Staged, StagedMonth, Who
from evaluation.replay_records import Happened, Verdict
from pipelines.replay_incident_acts import ANYWAY, LOOKED, NOTICED, UNREAD, Supervisor
from pipelines.replay_incident_people import Misled
from pipelines.replay_looks import AT_ONCE, Looked, look, read_events
from pipelines.replay_months import LEARNING, count
from pipelines.replay_params import Incidents, Profile
from pipelines.replay_service import Client, Told, served
from pipelines.replay_tickets import Month, Story
from pipelines.replay_workspace import Workspace

ARM = LEARNING[0]
LOST = "alert.certificate"


def play_incidents(
    space: Workspace, story: Story, profile: Profile, begun: Staged, state: Path,
    advance: Callable[[int], None],
) -> Staged:  # fmt: skip
    """Play the months that are left, and keep what came of each as soon as it is over.

    Raises
    ------
    TicketAssistantError
        If the service or a command fails. Started again, the month is played anew.
    """
    played = begun
    if played.done >= len(story.months):
        return played
    with ExitStack() as stack:
        stack.enter_context(space.warm(AT_ONCE))
        client = stack.enter_context(served(space, ARM, story.target, profile.audit_share))
        desk = _Desk(space, story, profile, client)
        for month in story.months[played.done :]:
            played = desk.play(month, played)
            write_text(state, played.model_dump_json() + "\n")
            advance(1)
    return played


@dataclass
class _Turn:
    """One month while it is played."""

    name: str
    number: int
    played: Staged
    staged: list[str] = field(default_factory=list)
    events: list[Happened] = field(default_factory=list)

    def change(self, **changes: Any) -> None:
        """Keep what came of an act."""
        self.played = self.played.model_copy(update=changes)


class _Desk:
    """A service with people, one of them misled, and a supervisor."""

    def __init__(self, space: Workspace, story: Story, profile: Profile, client: Client) -> None:
        if profile.incidents is None:
            raise DataError("the profile stages no incidents")
        self._space = space
        self._profile = profile
        self._plan: Incidents = profile.incidents
        self._client = client
        self._people = Misled(story.truth, profile.authors, self._plan.poison)
        self._supervisor = Supervisor(space, ARM, client, profile, story)

    def play(self, month: Month, played: Staged) -> Staged:
        """One month, from its first ticket to what is decided at its end."""
        began, since = time.monotonic(), datetime.now(UTC)
        turn = _Turn(month.name, played.done + 1, played)
        self._supervisor.follow()
        champion = self._supervisor.champion
        told = self._client.predict(month.tickets)
        before = self._people.wrong
        answers = self._answer(turn, since.isoformat())
        looked = look(self._space, [ARM], ARM, since, datetime.now(UTC), month.name)
        drift = looked.drift[ARM]
        if drift.action in {"relabel", "retrain"}:
            answers += self._people.label(self._client, drift.to_label)
        withheld = self._supervisor.deployment.withheld_of(champion)
        facts = count(month, ARM, told, answers, Verdict.of(drift))
        former = self._former(month, since, told)
        wrong = self._people.wrong - before
        self._notice(turn, looked, champion, since)
        self._decide(turn)
        events = read_events(self._space, ARM, month.name, since)
        one = StagedMonth(
            number=turn.number,
            facts=facts,
            former=former,
            wrong_answers=wrong,
            withheld=tuple(sorted(label for labels in withheld.values() for label in labels)),
            staged=tuple(turn.staged),
        )
        turn.change(
            done=turn.number,
            months=(*turn.played.months, one),
            events=(*turn.played.events, *turn.events, *events),
            seconds=turn.played.seconds + time.monotonic() - began,
        )
        return turn.played

    def _answer(self, turn: _Turn, since: str) -> int:
        """People answer what they are asked; one of them more, and wrongly, if it is staged."""
        poison = self._plan.poison
        self._people.poisoned = turn.number in poison.months
        budget = self._profile.answers_a_month
        answers = self._people.answer(self._client, since, budget, queue=True)
        if not self._people.poisoned:
            return answers
        flips = ", ".join(f"{right} {told}" for right, told in poison.flips.items())
        turn.staged.append(f"agent-{poison.author} calls {flips}, asked or not")
        answers += self._people.push(self._client, since)
        if poison.flood and turn.number == poison.months[-1]:
            flood = self._people.flood(self._client)
            turn.staged.append(f"agent-{poison.author} calls {flood} old tickets {poison.label}")
            answers += flood
        return answers

    def _former(self, month: Month, since: datetime, told: Iterable[Told]) -> Counts:
        shadows = self._client.shadows(since.isoformat())
        truth = {ticket.id: ticket.label for ticket in month.tickets}
        pairs = [(shadows[one.prediction], truth[one.ticket]) for one in told
                 if one.prediction in shadows]  # fmt: skip
        return count_told(pairs)

    def _notice(self, turn: _Turn, looked: Looked, champion: str, since: datetime) -> None:
        """Whether a class of the bad bundle was lost, or the product went back by itself."""
        bad = turn.played.bad
        if bad is None:
            return
        events = read_events(self._space, ARM, turn.name, since)
        lost = any(one.action == LOST and one.subject == bad for one in events)
        if looked.alerted and lost and turn.played.alerted is None:
            turn.change(alerted=turn.number)
        if champion == bad and self._supervisor.champion != bad:
            why = next(one.reasons for one in reversed(events) if one.action == "rollback")
            self._went_back(turn, bad, "the product", "; ".join(why))

    def _decide(self, turn: _Turn) -> None:
        """What the supervisor does at the end of the month, in the order of a careful one."""
        plan, played = self._plan, turn.played
        said = self._supervisor.collect(turn.name)
        if said:
            turn.change(batches=(*played.batches, said))
            if turn.number in plan.poison.months:
                turn.change(poisoned=(*played.poisoned, said.batch))
        if turn.number == plan.released:
            turn.staged.append("the supervisor lets all feedback go unread")
            self._supervisor.release((), UNREAD)
        else:
            self._supervisor.release(turn.played.poisoned, LOOKED)
        if turn.number == plan.revoked:
            self._revoke(turn)
        self._perhaps_roll_back(turn)
        if turn.number == plan.mislabelled:
            labels = ", ".join(f"{right} {told}" for right, told in plan.export.items())
            turn.staged.append(f"the export of the tickets learned first calls {labels}")
            self._supervisor.export(plan.export)
        if self._is_due(turn):
            self._retrain(turn)

    def _is_due(self, turn: _Turn) -> bool:
        plan, number = self._plan, turn.number
        back = [one.number + 1 for one in turn.played.rollbacks if one.former == turn.played.bad]
        return number in {*plan.retrains, plan.released, plan.revoked, plan.mislabelled, *back}

    def _retrain(self, turn: _Turn) -> None:
        wrong = turn.number == self._plan.mislabelled
        retrained, entered = self._supervisor.retrain(
            turn.name, turn.number, ANYWAY if wrong else None
        )
        turn.events += entered
        turn.change(retrains=(*turn.played.retrains, retrained))
        if wrong and retrained.outcome in {"overridden", "promoted"}:
            turn.staged.append(f"{retrained.version} is {retrained.outcome}")
            turn.change(bad=retrained.version)

    def _revoke(self, turn: _Turn) -> None:
        """Take the poison back; who learned from it goes first."""
        champion = self._supervisor.champion
        learned = {
            one.version
            for one in turn.played.retrains
            if one.wrong_learned and one.outcome == "promoted"
        }
        if champion in learned:
            self._supervisor.roll_back(NOTICED)
            self._went_back(turn, champion, "the supervisor", NOTICED)
        turn.staged.append("the supervisor revokes the poisoned batches")
        self._supervisor.revoke(turn.played.poisoned, NOTICED)

    def _perhaps_roll_back(self, turn: _Turn) -> None:
        played = turn.played
        alerted = played.alerted
        if alerted is None or turn.number < alerted + self._plan.waits:
            return
        if played.bad is not None and self._supervisor.champion == played.bad:
            why = f"a class lost its certificate {turn.number - alerted} months ago"
            self._supervisor.roll_back(why)
            self._went_back(turn, played.bad, "the supervisor", why)

    def _went_back(self, turn: _Turn, former: str, by: Who, why: str) -> None:
        one = RolledBack(
            month=turn.name, number=turn.number, version=self._supervisor.champion, former=former,
            by=by, why=why,
        )  # fmt: skip
        turn.change(rollbacks=(*turn.played.rollbacks, one))
        if former == turn.played.bad:
            turn.staged.append("the export is put right")
            self._supervisor.export({})
            self._supervisor.follow()


def count_told(pairs: Iterable[tuple[Told, str]]) -> Counts:
    """Answers, each with the right label, counted."""
    counted = [(told.label == truth, told.automatic) for told, truth in pairs]
    return Counts(
        tickets=len(counted),
        right=sum(right for right, _ in counted),
        automatic=sum(automatic for _, automatic in counted),
        automatic_right=sum(right and automatic for right, automatic in counted),
    )
