"""What the service stands on, each looked at for itself: store, bundle, cache, disk and others.

The probes (`/livez`, `/readyz`) tell whether to restart or to send requests. This tells a person
what is wrong when something is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import psutil
from pydantic import Field, JsonValue

from data.errors import StoreError, TicketAssistantError
from data.schema import Record
from serving.archive import Archive
from serving.assistants import Assistants
from serving.cache import AnswerCache
from serving.edge_security import limits_any
from serving.jobs import Jobs
from serving.rate_limits import Limiter
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.webhook_delivery import Delivery

State = Literal["up", "degraded", "down", "off"]
"""`degraded`: it works, and somebody should look. `off`: not switched on."""

LITTLE_DISK = 256 << 20
"""Bytes that are free on the disk of spool and jobs; with less a person should look."""

SPOOL_SHARE = 0.5
"""Of what the spool may hold; beyond it a person should look."""


class Part(Record):
    """One thing the service stands on."""

    state: State
    reason: str | None = Field(default=None, description="where it is not up")
    facts: dict[str, JsonValue] = Field(default={})


class Health(Record):
    """All of them, and what follows."""

    state: State = Field(
        description="`down`: no ticket is answered; `degraded`: they are, and a part is not up"
    )
    parts: dict[str, Part]


class Checkup:
    """Looks at every part; built once, asked whenever an administrator wants to know.

    Parameters
    ----------
    delivery : of webhooks; None where nobody is told of anything
    cache : of answers; None where nothing is remembered
    limiter : counts what callers ask
    """

    def __init__(
        self,
        settings: Settings,
        assistants: Assistants,
        archive: Archive | None = None,
        jobs: Jobs | None = None,
        delivery: "Delivery | None" = None,
        cache: AnswerCache | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        self._settings = settings
        self._assistants = assistants
        self._archive = archive
        self._jobs = jobs
        self._delivery = delivery
        self._cache = cache
        self._limiter = limiter

    async def look(self) -> Health:
        """The state of every part, now; asks the store, so it takes as long as that may."""
        parts = {
            "bundle": self._bundle(), "cache": self._answers(), "disk": self._disk(),
            "rate_limits": self._rate_limits(),
        }  # fmt: skip
        if self._archive is not None:
            parts["store"] = await self._store(self._archive)
            parts["spool"] = await guarded(self._spool, self._archive)
            parts["recorder"] = self._recorder(self._archive)
            parts["webhooks"] = await guarded(self._webhooks, self._archive)
        if self._jobs is not None:
            parts["jobs"] = await asyncio.to_thread(self._waiting_jobs, self._jobs)
        return Health(state=conclude(parts), parts=dict(sorted(parts.items())))

    def _bundle(self) -> Part:
        running, reason = self._assistants.running, self._assistants.why_not_ready
        if running is None or reason is not None:
            return Part(state="down", reason=reason)
        facts: dict[str, JsonValue] = {
            "champion": running.champion.manifest.version,
            "running": [*sorted(running.bundles)],
            "refused": [fault.version for fault in self._assistants.faults],
        }
        if self._assistants.faults:
            return Part(state="degraded", reason="a published bundle does not run", facts=facts)
        return Part(state="up", facts=facts)

    def _answers(self) -> Part:
        if self._cache is None:
            return Part(state="off")
        return shared(self._settings.cache, self._cache.away_since, "every answer is computed")

    def _rate_limits(self) -> Part:
        if self._limiter is None or not limits_any(self._settings):
            return Part(state="off")
        kind = "redis" if self._settings.redis else "process"
        return shared(kind, self._limiter.away_since, "each worker counts for itself")

    def _disk(self) -> Part:
        folder = self._settings.spool.resolve()
        while not folder.is_dir():
            folder = folder.parent
        free = psutil.disk_usage(str(folder)).free
        if free < LITTLE_DISK:
            return Part(state="degraded", reason="little is free", facts={"free_bytes": free})
        return Part(state="up", facts={"free_bytes": free})

    async def _store(self, archive: Archive) -> Part:
        began = time.perf_counter()
        try:
            await archive.ask(archive.store.ping)
        except StoreError as error:
            return Part(state="down", reason=str(error))
        return Part(state="up", facts={"ms": round(1000 * (time.perf_counter() - began), 1)})

    async def _spool(self, archive: Archive) -> Part:
        size, most = archive.spool.bytes_waiting, archive.spool.max_bytes
        facts: dict[str, JsonValue] = {"bytes": size, "max_bytes": most}
        if size > SPOOL_SHARE * most:
            return Part(state="degraded", reason="feedback is not handed over", facts=facts)
        return Part(state="up", facts=facts)

    def _recorder(self, archive: Archive) -> Part:
        behind = archive.writer.behind
        facts: dict[str, JsonValue] = {
            "rows": behind.rows, "seconds": round(behind.seconds, 1), "dropped": behind.dropped,
        }  # fmt: skip
        if behind.dropped:
            return Part(state="degraded", reason="predictions were dropped", facts=facts)
        return Part(state="up", facts=facts)

    async def _webhooks(self, archive: Archive) -> Part:
        if self._delivery is None or not self._delivery.names:
            return Part(state="off")
        depths = await archive.ask(self._delivery.depths)
        facts: dict[str, JsonValue] = {
            "delivered_here": self._delivery.leads,
            "endpoints": {name: depth.model_dump(mode="json") for name, depth in depths.items()},
        }
        if any(depth.dead for depth in depths.values()):
            return Part(state="degraded", reason="there are dead letters", facts=facts)
        return Part(state="up", facts=facts)

    def _waiting_jobs(self, jobs: Jobs) -> Part:
        number = jobs.unfinished()
        facts: dict[str, JsonValue] = {"unfinished": number, "most": jobs.max_unfinished}
        if number >= jobs.max_unfinished:
            return Part(state="degraded", reason="no further job is taken", facts=facts)
        return Part(state="up", facts=facts)


def shared(kind: str, away_since: datetime | None, meanwhile: str) -> Part:
    """What workers share as long as Redis answers, and can do without."""
    if away_since is None:
        return Part(state="up", facts={"kind": kind})
    return Part(
        state="degraded",
        reason=f"Redis does not answer: {meanwhile}",
        facts={"kind": kind, "since": away_since.isoformat(timespec="seconds")},
    )


async def guarded(look: Callable[[Archive], Awaitable[Part]], archive: Archive) -> Part:
    """What a look finds, or why it could not look."""
    try:
        return await look(archive)
    except TicketAssistantError as error:
        return Part(state="down", reason=str(error))
    except OSError as error:
        return Part(state="down", reason=type(error).__name__)


def conclude(parts: dict[str, Part]) -> State:
    """The state of the whole: without a bundle nothing is answered, all else can be missed."""
    if parts["bundle"].state == "down":
        return "down"
    return "up" if all(part.state in {"up", "off"} for part in parts.values()) else "degraded"
