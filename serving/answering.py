"""One request from its tickets to what is told: arms chosen, bundles asked, everyone informed."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, Field, JsonValue

from data.log_lines import anonymous_traceback
from data.schema import ArmKind, Detail, Prediction, Record, Ticket
from models.deployment import Arm, Challenger, Deployment, Shadow, Withheld
from serving.arms import (
    Assignment,
    Keep,
    Told,
    assign,
    choose,
    is_audited,
    new_id,
    watching,
)
from serving.asking import Asking
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.cache import AnswerCache
from serving.correlation import current_correlation
from serving.running import kinds
from serving.settings import Settings
from serving.shadows import Shadows, Showing
from serving.telemetry import Telemetry

logger = logging.getLogger(__name__)

ARMS: dict[str, JsonValue] = {
    "published_at": "2026-11-23T08:00:00Z",
    "audit_share": 0.02,
    "arms": [
        {
            "arm": "champion",
            "version": "your-tickets-1f0c2a9b",
            "share": 0.9,
            "since": "2026-10-01T08:00:00Z",
            "tickets": 1042,
            "withheld": {},
        },
        {
            "arm": "challenger",
            "version": "your-tickets-77aa01f3",
            "share": 0.1,
            "since": "2026-11-23T08:00:00Z",
            "tickets": 117,
            "withheld": {
                "team": {"workplace": "of 212 audited tickets 187 were right: 0.93 at most"}
            },
        },
    ],
    "refused": [],
}
"""The answer of the documentation; invented."""


class RunningArm(Record):
    """A bundle that runs, and its part."""

    arm: ArmKind
    version: str
    share: float = Field(
        ge=0, le=1, description="of the tickets: answered by it, or shown to it as a shadow"
    )
    since: AwareDatetime = Field(description="in this part and with this share")
    tickets: int = Field(ge=0, description="answered by it in this part, in this worker so far")
    withheld: Withheld = Field(
        description="classes whose certificate was lost live, which people route now: "
        "target -> label -> why"
    )


class RefusedArm(Record):
    """A bundle that is published and does not run."""

    arm: ArmKind
    version: str
    reason: str


class Arms(Record):
    """Who answers, who competes and who only watches; as one worker sees it."""

    published_at: AwareDatetime | None = Field(description="null where nothing runs")
    audit_share: float = Field(description="of the answers, drawn for a person to check")
    arms: tuple[RunningArm, ...]
    refused: tuple[RefusedArm, ...] = Field(description="published, and why it does not run")


class Answering:
    """Answers tickets by the arms that run; call it from one event loop."""

    def __init__(
        self,
        settings: Settings,
        assistants: Assistants,
        batcher: Batcher,
        telemetry: Telemetry,
        shadows: Shadows | None = None,
        keep: Keep | None = None,
    ) -> None:
        self._settings = settings
        self._assistants = assistants
        self._asking = Asking(settings, batcher, telemetry)
        self._telemetry = telemetry
        self._shadows = shadows
        self._keep = keep
        self._tickets: Counter[tuple[ArmKind, str]] = Counter()

    @property
    def cache(self) -> AnswerCache | None:
        """What remembers answers; None where nothing does."""
        return self._asking.cache

    async def answer(
        self,
        tickets: Sequence[Ticket],
        key: str | None = None,
        arm: str | None = None,
        customer: str | None = None,
        detail: Detail = "full",
    ) -> list[Told]:
        """What is told of each ticket, in order; all by the bundles that ran when it was asked.

        Parameters
        ----------
        key : what the arm is drawn by; else each ticket's own id, else the answer's
        customer : the caller's key of who wrote them, kept with the answers
        arm : `champion` or the version of a bundle that answers, where no draw is wanted
        detail : `decision`: without what is told beside it, and by a cascade where there is one

        Raises
        ------
        NotReadyError
            If there is no champion.
        RequestValidationError
            If the arm named does not answer here.
        """
        running = self._assistants.take()
        chosen = None if arm is None else self._chosen(arm, running.deployment)
        now = time.time_ns()
        # Apart by what an id can tell, so that they sort as the tickets stand in the request.
        ids = [new_id(now + 250 * i) for i in range(len(tickets))]
        keys = [key or ticket.id or one for ticket, one in zip(tickets, ids, strict=True)]
        salt = self._settings.salt
        drawn = [chosen or assign(one, running.deployment, salt) for one in keys]
        predictions = await self._asking.ask(running, tickets, drawn, detail)
        told = [
            self._told(ids[i], now, ticket, keys[i], predictions[i], drawn[i], customer)
            for i, ticket in enumerate(tickets)
        ]
        self._tickets.update((one.kind, one.version) for one in drawn)
        self._telemetry.answered(predictions)
        self._telemetry.told(told)
        await self._record(told)
        return told

    async def watch(self, told: Sequence[Told]) -> None:
        """Let the shadows see what was answered; to be called when the response has gone."""
        running = self._assistants.running
        if self._shadows is None or running is None:
            return
        for one in told:
            # By the answer's own id: shadows are to see tickets, not the same customers always.
            for shadow in watching(one.id, running.deployment, self._settings.salt):
                self._shadows.offer(Showing(shadow.version, shadow.fraction, one))

    def arms(self) -> Arms:
        """What runs, since when and with how many tickets."""
        running = self._assistants.running
        found = () if running is None else tuple(self._facts(running.deployment))
        return Arms(
            published_at=None if running is None else running.deployment.published_at,
            audit_share=self._settings.audit_share,
            arms=found,
            refused=tuple(
                RefusedArm(arm=fault.kind, version=fault.version, reason=fault.reason)
                for fault in self._assistants.faults
            ),
        )

    def _facts(self, deployment: Deployment) -> list[RunningArm]:
        watched = Counter[str]() if self._shadows is None else self._shadows.answered
        return [
            RunningArm(
                arm=kind,
                version=arm.version,
                share=_share(arm, deployment),
                since=arm.since or deployment.published_at,
                tickets=watched[arm.version]
                if kind == "shadow"
                else self._tickets[kind, arm.version],
                withheld=deployment.withheld_of(arm.version),
            )
            for kind, arm in kinds(deployment)
        ]

    def _chosen(self, arm: str, deployment: Deployment) -> Assignment:
        chosen = choose(arm, deployment) if self._settings.allow_explicit_arm else None
        if chosen is None:
            message = "No bundle answers under this name, or none may be chosen here"
            error = {"type": "unknown_arm", "loc": ("header", "x-arm"), "msg": message}
            raise RequestValidationError([error])
        return chosen

    def _told(
        self,
        name: str,
        nanoseconds: int,
        ticket: Ticket,
        key: str,
        prediction: Prediction,
        drawn: Assignment,
        customer: str | None,
    ) -> Told:
        share = 0.0 if drawn.explicit else self._settings.audit_share
        return Told(
            id=name,
            at=datetime.fromtimestamp(nanoseconds / 1e9, UTC),
            ticket=ticket,
            key=key,
            prediction=prediction.model_copy(update={"id": name, "arm": drawn.kind}),
            arm=drawn.kind,
            propensity=drawn.propensity,
            # By the answer's own id and not by the key: the tickets of one customer would be
            # audited all or none, and intervals count on answers drawn one by one.
            audit=is_audited(name, share, self._settings.salt),
            audit_propensity=share,
            explicit=drawn.explicit,
            customer=customer,
            correlation=current_correlation(),
        )

    async def _record(self, told: Sequence[Told]) -> None:
        if self._keep is None:
            return
        try:
            await self._keep(told)
        except Exception as error:  # noqa: BLE001 - an answer is worth more than its record
            self._telemetry.not_recorded.inc(len(told))
            logger.error("answers were not recorded\n%s", anonymous_traceback(error))


def _share(arm: Arm, deployment: Deployment) -> float:
    if isinstance(arm, Challenger):
        return arm.share
    return arm.fraction if isinstance(arm, Shadow) else deployment.rest
