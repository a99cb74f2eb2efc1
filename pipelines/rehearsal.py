"""A candidate answers logged tickets before it is shown a new one.

Logged texts are masked and the champion read them unmasked, so that a few answers may differ for
that alone. What people said of audited tickets tells whose answers were right; the champion's
version may have learned from none of them, the candidate's may: this is a rehearsal, not evidence.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from pydantic import Field

from data.errors import ModelError
from data.schema import Prediction, Record, Ticket
from data.store import MAX_PAGE, Answered, Query, Store
from evaluation.judgement import judge
from pipelines.experiment_params import RehearsalParams

FAILURES = (ModelError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What a model may raise on a text; anything else stops the command."""


class Assistant(Protocol):
    """What is asked of a loaded bundle."""

    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]: ...


class Changed(Record):
    """How a candidate's answers to one target differ from those that were told."""

    tickets: int
    labels: float = Field(description="share told another label")
    decisions: float = Field(description="share routed where a person decided, or the other way")
    automation: float = Field(description="share routed without a person, less the one told")
    known: int = Field(description="audited tickets of which people said what is right")
    right_before: int = Field(description="of the known ones, answered rightly when told")
    right_now: int = Field(description="of the known ones, answered rightly by the candidate")


class Rehearsal(Record):
    """What came of it."""

    tickets: int
    failed: int
    p50_ms: float | None = Field(description="one ticket at a time, on this machine")
    p95_ms: float | None
    targets: dict[str, Changed]
    refused: tuple[str, ...] = Field(description="why it may not have traffic; empty: it may")

    def tell(self) -> list[str]:
        """The rehearsal in words."""
        if not self.tickets:
            return ["no logged tickets to rehearse on"]
        speed = "" if self.p95_ms is None else f", p95 {self.p95_ms:,.0f} ms"
        lines = [f"rehearsed on {self.tickets:,} logged tickets, {self.failed:,} failed{speed}"]
        for target, one in self.targets.items():
            lines.append(
                f"{target}: {one.labels:.1%} told another label, {one.decisions:.1%} decided "
                f"otherwise, automation {one.automation:+.1%}; of {one.known:,} known answers "
                f"{one.right_now:,} right, {one.right_before:,} when told"
            )
        return [*lines, *(f"refused: {why}" for why in self.refused)]


def logged_tickets(store: Store, champion: str, tickets: int) -> list[Answered]:
    """The newest answers of a champion and the newest audited ones that people judged, each once.

    Where nobody is champion yet this is empty.
    """
    found: dict[str, Answered] = {}
    for query in (Query(bundle=champion), Query(bundle=champion, audit=True, answered=True)):
        told = (one for one in _newest(store, query) if not one.stored.shadow)
        found |= {one.stored.id: one for _, one in zip(range(tickets), told, strict=False)}
    return list(found.values())


def rehearse(
    candidate: Assistant, logged: Iterable[Answered], params: RehearsalParams
) -> Rehearsal:
    """Answer logged tickets one at a time and compare with what was told."""
    seconds: list[float] = []
    counts: dict[str, Counter[str]] = {}
    failed = 0
    for one in logged:
        began = time.perf_counter()
        try:
            (answer,) = candidate.predict([one.stored.ticket])
        except FAILURES:
            failed += 1
            continue
        finally:
            seconds.append(time.perf_counter() - began)
        _compare(counts, one, answer)
    targets = {target: _shares(found) for target, found in sorted(counts.items())}
    quantiles = [float(1000 * one) for one in np.quantile(seconds, [0.5, 0.95])] if seconds else []
    p50, p95 = quantiles or (None, None)
    return Rehearsal(
        tickets=len(seconds),
        failed=failed,
        p50_ms=p50,
        p95_ms=p95,
        targets=targets,
        refused=tuple(_faults(params, len(seconds), failed, p95, targets)),
    )


def _newest(store: Store, query: Query) -> Iterator[Answered]:
    cursor: str | None = None
    while True:
        page = store.search(query, MAX_PAGE, cursor)
        yield from page.found
        cursor = page.next
        if cursor is None:
            return


def _compare(counts: dict[str, Counter[str]], one: Answered, answer: Prediction) -> None:
    for target, told in one.stored.prediction.targets.items():
        now = answer.targets.get(target)
        found = counts.setdefault(target, Counter())
        found["tickets"] += 1
        label = None if now is None else now.label
        decision = None if now is None else now.decision
        found["labels"] += label != told.label
        found["decisions"] += decision != told.decision
        found["automatic"] += (decision == "auto") - (told.decision == "auto")
        judgement = judge(one, target) if one.stored.audit else None
        if judgement is not None and judgement.label is not None:
            found["known"] += 1
            found["before"] += judgement.right
            found["now"] += label == judgement.label


def _shares(found: Counter[str]) -> Changed:
    n = found["tickets"]
    return Changed(
        tickets=n,
        labels=found["labels"] / n,
        decisions=found["decisions"] / n,
        automation=found["automatic"] / n,
        known=found["known"],
        right_before=found["before"],
        right_now=found["now"],
    )


def _faults(
    params: RehearsalParams, n: int, failed: int, p95: float | None, targets: dict[str, Changed]
) -> Iterator[str]:
    if n and failed / n > params.errors:
        yield f"{failed:,} of {n:,} logged tickets failed, {params.errors:.1%} allowed"
    if p95 is not None and params.p95_ms is not None and p95 > params.p95_ms:
        yield f"p95 {p95:,.0f} ms per ticket, {params.p95_ms:,.0f} ms allowed"
    for target, one in targets.items():
        if one.labels > params.changed:
            yield f"{target}: {one.labels:.1%} told another label, {params.changed:.1%} allowed"
        if one.decisions > params.rerouted:
            yield f"{target}: {one.decisions:.1%} decided otherwise, {params.rerouted:.1%} allowed"
