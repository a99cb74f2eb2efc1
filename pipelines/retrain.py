"""Command: learn from what people said since the last time, and let the result compete.

    python -m pipelines.retrain                  # or: make retrain
    python -m pipelines.retrain --share 0.2

Collects new feedback, lets DVC do what is to be done anew, registers the candidate, has the gate
decide about it, and makes it a challenger if it passed. Nothing here changes the champion. It runs
once at a time; interrupted, it is started again and goes on: collecting finds nothing twice, stages
that are done are reused, fits go on from their checkpoints.
"""

import argparse
import getpass
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from data.errors import TicketAssistantError
from data.locks import exclusive
from data.schema import Record
from data.store import Event, Store
from models.publishing import open_store
from models.registry import Registry
from pipelines import run
from pipelines.bundle import CANDIDATE
from pipelines.collect import Collected, collect_here, opened_store
from pipelines.decisions import champion_of, keep
from pipelines.deploying import SHARE, promote
from pipelines.former_fits import carry_over
from pipelines.gate import decide_now
from pipelines.params import Params, read_params
from pipelines.register import register
from pipelines.reproduction import StageDone, follow, render_stages, reproduce
from pipelines.score import find_bundle
from pipelines.train import PREPARED

logger = logging.getLogger(__name__)

LOCK = "retrain"
DONE, STOPPED, REFUSED = 0, 1, 3
EXITS = (
    "exit status: 0 a challenger competes, or there was nothing to learn; 3 the gate refused the "
    "candidate; 1 it was not finished"
)

Outcome = Literal["challenger", "champion", "unchanged", "refused", "failed"]
"""`champion`: it is the first one. `unchanged`: the candidate answers or competes already."""


class Retrained(Record):
    """What a retrain came to."""

    outcome: Outcome
    candidate: str | None
    reasons: tuple[str, ...]
    batch: str | None = None
    stages: tuple[StageDone, ...] = ()


class Registered(NamedTuple):
    """The candidate, and the part it has without anybody having to decide."""

    version: str
    part: Literal["champion", "first champion", "challenger"] | None


class Steps(Protocol):
    """What a retrain is made of, each of which may be done again without harm."""

    def collect(self) -> Collected:
        """New feedback into a batch."""

    def carry_over(self) -> bool:
        """Let fits go on from those of the last run, if they are there."""

    def reproduce(self) -> Iterable[str]:
        """Lines of `dvc repro`."""

    def register(self) -> Registered:
        """The candidate, registered; the first one becomes champion by that."""

    def decide(self, version: str) -> tuple[bool, Sequence[str]]:
        """Whether the gate lets the candidate compete, and why or why not."""

    def challenge(self, version: str) -> None:
        """Let the candidate answer a share of the tickets."""


def retrain(steps: Steps, store: Store, actor: str, now: Callable[[], datetime]) -> Retrained:
    """One retrain from collecting to a challenger; its begin and end are logged.

    Raises
    ------
    TicketAssistantError
        If a step fails; that is logged as well.
    """
    interrupted = find_interrupted(store)
    reasons = ["asked for"]
    if interrupted:
        reasons = [f"goes on with the retrain begun at {interrupted.at:%Y-%m-%d %H:%M} UTC"]
    _log(store, "retrain.started", "", actor, now(), {"reasons": reasons})
    stages: list[StageDone] = []
    collected: Collected | None = None
    version: str | None = None
    try:
        collected = steps.collect()
        if collected.batch:
            steps.carry_over()
        follow(steps.reproduce(), stages)
        version, part = steps.register()
        outcome, why = _conclude(steps, version, part)
    except TicketAssistantError as error:
        _finish(store, actor, now(), _result("failed", version, [str(error)], collected, stages))
        raise
    done = _result(outcome, version, why, collected, stages)
    _finish(store, actor, now(), done)
    return done


def find_interrupted(store: Store) -> Event | None:
    """The begin of the last retrain, if its end was never logged."""
    started = store.events(limit=1, action="retrain.started")
    finished = store.events(limit=1, action="retrain.finished")
    if not started or (finished and finished[0].at >= started[0].at):
        return None
    return started[0]


def render(done: Retrained) -> str:
    """What came of it, for a person."""
    lines = [render_stages(done.stages)] if done.stages else []
    lines.append(f"feedback: {done.batch or 'nothing new'}")
    lines.append(f"{done.candidate or 'no candidate'}: {done.outcome}")
    return "\n".join([*lines, *(f"  {reason}" for reason in done.reasons)])


class OnThisMachine:
    """The steps in the folders, store and register of this project."""

    def __init__(self, store: Store, params: Params, share: float, actor: str) -> None:
        self._store = store
        self._params = params
        self._share = share
        self._actor = actor
        self._bundles = open_store()
        self._registry = Registry.open(Path.cwd(), params.registry.name)

    def collect(self) -> Collected:
        return collect_here(self._store, self._actor, datetime.now(UTC))

    def reproduce(self) -> Iterable[str]:
        return reproduce(sys.stderr.write)

    def carry_over(self) -> bool:
        known = run.find_fingerprint(PREPARED)
        return known is not None and carry_over(known)

    def register(self) -> Registered:
        first = champion_of(self._bundles) is None
        version = register(CANDIDATE, self._registry, self._bundles).version
        deployment = self._bundles.find_deployment()
        if champion_of(self._bundles) == version:
            return Registered(version, "first champion" if first else "champion")
        rivals = {arm.version for arm in deployment.challengers} if deployment else set()
        return Registered(version, "challenger" if version in rivals else None)

    def decide(self, version: str) -> tuple[bool, Sequence[str]]:
        champion = champion_of(self._bundles)
        decision = decide_now(
            find_bundle(version, self._bundles),
            find_bundle(champion, self._bundles) if champion else None,
            self._bundles,
            self._store,
            self._params,
            at=datetime.now(UTC),
        )
        keep(decision, self._bundles, self._registry, self._actor, self._store.log)
        return decision.passed, decision.reasons

    def challenge(self, version: str) -> None:
        promote(self._registry, self._bundles, version, "challenger", self._share)
        detail = {"reasons": ["retrained, and the gate passed it"], "share": self._share}
        _log(self._store, "experiment.started", version, self._actor, datetime.now(UTC), detail)


def _conclude(steps: Steps, version: str, part: str | None) -> tuple[Outcome, Sequence[str]]:
    """What becomes of a registered candidate, and why."""
    if part == "first champion":
        return "champion", ["it is the first one, and there is nobody to be compared with"]
    if part:
        return "unchanged", [f"what is to be learned has not changed: it is {part} already"]
    passed, why = steps.decide(version)
    if not passed:
        return "refused", why
    steps.challenge(version)
    return "challenger", why


def _result(
    outcome: Outcome,
    version: str | None,
    reasons: Sequence[str],
    collected: Collected | None,
    stages: Sequence[StageDone],
) -> Retrained:
    return Retrained(
        outcome=outcome,
        candidate=version,
        reasons=tuple(reasons),
        batch=collected.batch if collected else None,
        stages=tuple(stages),
    )


def _finish(store: Store, actor: str, at: datetime, done: Retrained) -> None:
    detail = done.model_dump(mode="json", exclude={"candidate"})
    _log(store, "retrain.finished", done.candidate or "", actor, at, detail)


def _log(
    store: Store, action: str, subject: str, actor: str, at: datetime, detail: dict[str, object]
) -> None:
    facts = {"at": at, "actor": actor, "action": action, "subject": subject, "detail": detail}
    store.log(Event.model_validate(facts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Retrain as the arguments say; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EXITS
    )
    parser.add_argument("--url", default=None, help="of the store; default: TICKETS_STORE")
    parser.add_argument("--share", type=float, default=SHARE, help="of tickets, for a challenger")
    parser.add_argument("--actor", default=None, help="who is written into the audit log")
    asked = parser.parse_args(arguments)
    params = read_params()
    run.begin(params.seed)
    actor = asked.actor or getpass.getuser()
    try:
        with exclusive(LOCK), opened_store(asked.url) as store:
            steps = OnThisMachine(store, params, asked.share, actor)
            done = retrain(steps, store, actor, lambda: datetime.now(UTC))
    except TicketAssistantError as error:
        logger.error("%s", error)
        return STOPPED
    sys.stdout.write(render(done) + "\n")
    return REFUSED if done.outcome == "refused" else DONE


if __name__ == "__main__":
    sys.exit(main())
