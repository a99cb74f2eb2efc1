"""Decisions about tickets, those of a cascade's first tier before all members are asked."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from data.schema import TargetPrediction, Tier
from models.asking import FAILURES, Answers, aligned, ask, decide_targets, find_novelty
from models.base import Member
from models.cascade import FIRST, Cascade
from models.ensemble import Ensemble
from models.memory import Memory

logger = logging.getLogger(__name__)


class Decided(NamedTuple):
    """What is to be done with one ticket, and who says so.

    `novelty` is None where nobody looked, `tier` where there is no cascade.
    """

    targets: dict[str, TargetPrediction]
    novelty: float | None = None
    degraded: tuple[str, ...] = ()
    tier: Tier | None = None


class Tiers:
    """The linear member alone where that is enough, all members for the rest.

    Parameters
    ----------
    cascade : None: all members decide about every ticket
    """

    def __init__(
        self,
        members: Mapping[str, Member],
        ensemble: Ensemble,
        memory: Memory | None,
        cascade: Cascade | None,
    ) -> None:
        self.members = members
        self.ensemble = ensemble
        self.memory = memory
        self.cascade = cascade
        self._targets = ensemble.targets
        if cascade is not None:
            # What goes on is routed by the certificate of both tiers together.
            self._targets = {
                name: target.model_copy(update={"routing": cascade.targets[name].routing})
                for name, target in ensemble.targets.items()
            }

    def decide(
        self,
        texts: Sequence[str],
        languages: Sequence[str | None],
        lost: Mapping[str, Collection[str]],
    ) -> list[Decided]:
        """One decision per text, in order.

        Parameters
        ----------
        texts : as the members read them
        lost : target -> labels whose certificate was lost live
        """
        first = self._ask_first(texts)
        settled = self.cascade.settle(first, languages, lost) if self.cascade and first else {}
        found = {row: Decided(targets, tier="linear") for row, targets in settled.items()}
        if rest := [row for row in range(len(texts)) if row not in settled]:
            given = {FIRST: {name: p[rest] for name, p in first.items()}} if first else {}
            second = self._decide_all(
                [texts[row] for row in rest], [languages[row] for row in rest], lost, given
            )
            found |= dict(zip(rest, second, strict=True))
        return [found[row] for row in range(len(texts))]

    def _decide_all(
        self,
        texts: Sequence[str],
        languages: Sequence[str | None],
        lost: Mapping[str, Collection[str]],
        given: Mapping[str, Answers],
    ) -> list[Decided]:
        """The decisions of all members together."""
        remembered = self.memory.member if self.memory else None
        answered = ask(self.members, self.ensemble, texts, remembered=remembered, given=given)
        novelty = find_novelty(self.memory, answered)
        targets = decide_targets(self._targets, answered, languages, novelty.novel, lost)
        return [
            Decided(
                {name: answers[row] for name, answers in targets.items()},
                novelty.p_value[row],
                answered.failed,
                "ensemble" if self.cascade else None,
            )
            for row in range(len(texts))
        ]

    def _ask_first(self, texts: Sequence[str]) -> Answers | None:
        """What the first tier answers; None where there is none, or it fails."""
        if self.cascade is None:
            return None
        member = self.members[FIRST]
        try:
            return aligned(member, member.predict_proba(texts), self.ensemble)
        except FAILURES as error:
            logger.error("the first tier failed: %s", type(error).__name__)
            return None
