"""The assistant: tickets in, predictions out; what a bundle holds."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from data.errors import BundleError
from data.language import LanguageDetector
from data.schema import Candidate, Prediction, TargetPrediction, Ticket
from data.text import model_text
from models.base import Member, Probabilities, align_columns
from models.embedding import EmbeddingMember
from models.ensemble import Ensemble, TargetEnsemble, read_ensemble
from models.finetuned import FinetunedMember
from models.linear import LinearMember

logger = logging.getLogger(__name__)

MEMBERS: dict[str, type[Member]] = {
    "linear": LinearMember,
    "embedding": EmbeddingMember,
    "finetuned": FinetunedMember,
}


@dataclass(frozen=True)
class Facts:
    """What an answer says of the bundle that gave it."""

    version: str = "unsealed"
    fallback: bool = False
    languages: tuple[str, ...] = ("en", "de", "fr", "es", "pt", "it")


class TicketAssistant:
    """Members, ensemble and policy together; safe to ask from several threads.

    Attributes
    ----------
    targets : target -> class names, in column order
    """

    def __init__(
        self, members: Mapping[str, Member], ensemble: Ensemble, facts: Facts | None = None
    ) -> None:
        self.members = dict(members)
        self.ensemble = ensemble
        self.facts = facts or Facts()
        self._detector = LanguageDetector(self.facts.languages)
        self.targets = {name: target.classes for name, target in ensemble.targets.items()}

    @property
    def version(self) -> str:
        return self.facts.version

    @property
    def fallback(self) -> bool:
        return self.facts.fallback

    @classmethod
    def load_parts(cls, folder: Path, facts: Facts | None = None) -> Self:
        """Read the ensemble and the members it gives weight to from a folder of parts.

        Raises
        ------
        BundleError
            If a part is missing or cannot be read.
        """
        ensemble = read_ensemble(folder / "ensemble")
        try:
            members = {name: MEMBERS[name].load(folder / name) for name in ensemble.members}
        except (OSError, KeyError, ValueError) as error:
            raise BundleError(f"a member of {folder} cannot be read: {error}") from error
        return cls(members, ensemble, facts)

    def with_facts(self, facts: Facts) -> "TicketAssistant":
        """The same assistant under another version."""
        return TicketAssistant(self.members, self.ensemble, facts)

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]:
        """Target -> calibrated probabilities (n, k) for texts as a customer wrote them."""
        return self._answer([model_text(text) for text in texts])[0]

    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        """One prediction per ticket, in order.

        A member that fails is left out and named under `degraded`; every decision is then review,
        because the certificate speaks of all members together.
        """
        texts = [model_text(ticket.full_text) for ticket in tickets]
        probabilities, failed = self._answer(texts)
        decided = {
            name: _decide(target, probabilities[name], degraded=bool(failed))
            for name, target in self.ensemble.targets.items()
        }
        return [
            Prediction(
                ticket_id=ticket.id,
                bundle=self.version,
                fallback=self.fallback,
                language=ticket.language or self._detector.detect(text),
                targets={name: answers[row] for name, answers in decided.items()},
                degraded=failed,
            )
            for row, (ticket, text) in enumerate(zip(tickets, texts, strict=True))
        ]

    def _answer(self, texts: Sequence[str]) -> tuple[dict[str, Probabilities], tuple[str, ...]]:
        answers: dict[str, dict[str, Probabilities]] = {}
        failed: list[str] = []
        for name, member in self.members.items():
            try:
                answered = member.predict_proba(texts)
                answers[name] = {
                    target: align_columns(answered[target], member.targets_[target], classes)
                    for target, classes in self.targets.items()
                }
            except (RuntimeError, ValueError, MemoryError) as error:
                logger.error("member %s failed: %s", name, type(error).__name__)
                failed.append(name)
        if not answers:
            raise BundleError(f"no member answered; failed: {', '.join(failed)}")
        return self.ensemble.combine(answers), tuple(failed)


def _decide(
    target: TargetEnsemble, probabilities: Probabilities, *, degraded: bool
) -> list[TargetPrediction]:
    decisions = target.routing.decide(probabilities)
    answers = []
    for row, position in enumerate(decisions.label):
        label = target.classes[position]
        automatic = bool(decisions.automatic[row]) and not degraded
        listed = target.shortlist.candidates(probabilities[row])
        answers.append(
            TargetPrediction(
                label=label,
                confidence=min(1.0, float(decisions.confidence[row])),
                decision="auto" if automatic else "review",
                reason="degraded" if degraded else target.routing.reason(label, automatic),
                threshold=target.routing.classes[label].threshold,
                shortlist=()
                if automatic
                else tuple(
                    Candidate(
                        label=target.classes[i], probability=min(1.0, float(probabilities[row][i]))
                    )
                    for i in listed
                ),
            )
        )
    return answers
