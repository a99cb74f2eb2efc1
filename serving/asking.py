"""The bundles, each asked about the tickets that were drawn for it."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from data.schema import Detail, Prediction, Ticket
from models.runtime_choice import RuntimeChoice
from serving.arms import Assignment
from serving.batching import Assistant, Batcher
from serving.cache import AnswerCache, Asked
from serving.running import Running
from serving.settings import Settings
from serving.telemetry import Telemetry


class Asking:
    """Asks bundles for predictions, through the cache of answers where there is one."""

    def __init__(self, settings: Settings, batcher: Batcher, telemetry: Telemetry) -> None:
        self._settings = settings
        self._batcher = batcher
        self._telemetry = telemetry
        self.cache = AnswerCache.find(settings, telemetry.cache)

    async def ask(
        self,
        running: Running,
        tickets: Sequence[Ticket],
        drawn: Sequence[Assignment],
        detail: Detail,
    ) -> list[Prediction]:
        """One prediction per ticket, each by the bundle drawn for it.

        Raises
        ------
        OverloadedError
            At once, when the tickets would not fit into the queue.
        Exception
            Whatever a bundle raised on its tickets.
        """
        rows: dict[str, list[int]] = {}
        for row, assignment in enumerate(drawn):
            rows.setdefault(assignment.version, []).append(row)
        answers = await _together(
            [
                self._answer(running, version, detail, [tickets[i] for i in its])
                for version, its in rows.items()
            ]
        )
        by_row = {
            row: prediction
            for its, found in zip(rows.values(), answers, strict=True)
            for row, prediction in zip(its, found, strict=True)
        }
        return [by_row[row] for row in range(len(tickets))]

    async def _answer(
        self, running: Running, version: str, detail: Detail, tickets: list[Ticket]
    ) -> list[Prediction]:
        """The answers of one bundle, those computed before among them."""
        assistant = running.answering(version, detail)
        if self.cache is None:
            return await self._timed(version, assistant, tickets)
        asked = Asked(
            version=version,
            runtime=_runtime_of(running.bundles[version].assistant),
            detail=detail,
            cascade=self._settings.cascade,
            lost=running.deployment.withheld_of(version),
        )
        return await self.cache.answer(
            asked, tickets, lambda missing: self._timed(version, assistant, missing)
        )

    async def _timed(
        self, version: str, assistant: Assistant, tickets: list[Ticket]
    ) -> list[Prediction]:
        """What one bundle computes; how long that takes and whether it fails is counted."""
        began = time.perf_counter()
        try:
            found = await self._batcher.predict(assistant, tickets)
        except Exception:  # of whatever kind: it is counted and goes on to the caller
            self._telemetry.arm_failed(version, len(tickets))
            raise
        self._telemetry.arm_answered(version, time.perf_counter() - began)
        return found


def _runtime_of(assistant: Assistant) -> str:
    """What computes the networks of a bundle; empty where it does not tell."""
    choice = getattr(getattr(assistant, "facts", None), "runtime", None)
    return choice.name if isinstance(choice, RuntimeChoice) else ""


async def _together(
    works: Sequence[Coroutine[Any, Any, list[Prediction]]],
) -> list[list[Prediction]]:
    """What each gives; the first that fails takes the others along."""
    if len(works) == 1:
        return [await works[0]]
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
