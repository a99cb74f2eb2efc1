"""The assistant: tickets in, predictions out; what a bundle holds."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from data.errors import BundleError, NoMemoryError
from data.language import LANGID, LanguageDetector
from data.schema import Neighbour, Prediction, TargetPrediction, Ticket, WordWeight
from data.text import model_text
from models.asking import FAILURES, Answered, ask, decide_targets, find_novelty
from models.base import Member, Probabilities
from models.cascade import FOLDER as CASCADE
from models.cascade import Cascade, find_cascade
from models.content import READERS
from models.embedding import EmbeddingMember
from models.ensemble import Ensemble, read_ensemble
from models.explanation import WordExplainer
from models.finetuned import FinetunedMember
from models.linear import LinearMember
from models.memory import FILE, Memory
from models.readers import Readers
from models.runtime_choice import RuntimeChoice
from models.runtime_parts import RuntimeParts
from models.sentiment import tones
from models.tiers import Tiers

logger = logging.getLogger(__name__)

MEMBERS: dict[str, type[Member]] = {
    "linear": LinearMember,
    "embedding": EmbeddingMember,
    "finetuned": FinetunedMember,
}

MEMORY = "memory"
"""Folder of the part that remembers tickets, beside those of the members."""


@dataclass(frozen=True)
class Facts:
    """What an answer says of the bundle that gave it."""

    version: str = "unsealed"
    fallback: bool = False
    languages: tuple[str, ...] = ("en", "de", "fr", "es", "pt", "it")
    language_detector: str = LANGID
    runtime: RuntimeChoice = field(default_factory=RuntimeChoice)


class TicketAssistant:
    """Members, ensemble and policy together; safe to ask from several threads.

    Attributes
    ----------
    targets : target -> class names, in column order
    """

    def __init__(
        self,
        members: Mapping[str, Member],
        ensemble: Ensemble,
        facts: Facts | None = None,
        *,
        memory: Memory | None = None,
        readers: Readers | None = None,
        cascade: Cascade | None = None,
    ) -> None:
        self.members = dict(members)
        self.ensemble = ensemble
        self.facts = facts or Facts()
        self.memory = memory
        self.readers = readers or Readers()
        self.cascade = cascade
        if "sentiment" in ensemble.targets:  # learned from the organisation's own labels
            self.readers = self.readers.without("sentiment")
        self._detector = LanguageDetector(
            self.facts.languages, detector=self.facts.language_detector
        )
        self.targets = {name: target.classes for name, target in ensemble.targets.items()}
        linear = self.members.get("linear")
        self._explainer = WordExplainer(linear) if isinstance(linear, LinearMember) else None
        self._tiers = Tiers(self.members, ensemble, memory, cascade)

    @property
    def version(self) -> str:
        return self.facts.version

    @property
    def fallback(self) -> bool:
        return self.facts.fallback

    @classmethod
    def load_parts(
        cls, folder: Path, facts: Facts | None = None, served: RuntimeParts | None = None
    ) -> Self:
        """Read the ensemble and the members it gives weight to from a folder of parts.

        Parameters
        ----------
        served : opens the networks in torch's place; None: torch runs them

        Raises
        ------
        BundleError
            If a part is missing or cannot be read.
        """
        ensemble = read_ensemble(folder / "ensemble")
        try:
            members = {name: load_member(name, folder, served) for name in ensemble.members}
        except (OSError, KeyError, ValueError) as error:
            raise BundleError(f"a member of {folder} cannot be read: {error}") from error
        memory = Memory.load(folder / MEMORY) if (folder / MEMORY / FILE).is_file() else None
        if memory is not None and memory.member not in members:
            raise BundleError(f"{folder / MEMORY} needs {memory.member}, which carries no weight")
        finetuned = members.get("finetuned")
        readers = Readers.load(
            folder / READERS,
            finetuned if isinstance(finetuned, FinetunedMember) else None,
            folder / "finetuned",
            None if served is None else served.open_tagger,
        )
        cascade = find_cascade(folder / CASCADE, ensemble)
        return cls(members, ensemble, facts, memory=memory, readers=readers, cascade=cascade)

    def with_facts(self, facts: Facts) -> "TicketAssistant":
        """The same assistant under another version."""
        return TicketAssistant(
            self.members,
            self.ensemble,
            facts,
            memory=self.memory,
            readers=self.readers,
            cascade=self.cascade,
        )

    def without_cascade(self) -> "TicketAssistant":
        """The same assistant, all of whose members decide about every ticket."""
        return TicketAssistant(
            self.members, self.ensemble, self.facts, memory=self.memory, readers=self.readers
        )

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]:
        """Target -> calibrated probabilities (n, k) for texts as a customer wrote them."""
        return self._ask([model_text(text) for text in texts]).probabilities

    def predict(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]:
        """One prediction per ticket, in order.

        A member that fails is left out and named under `degraded`; every decision is then review,
        because the certificate speaks of all members together.

        Parameters
        ----------
        lost : target -> labels whose certificate was lost live: none of their tickets is automatic
        """
        return self.predict_with_probabilities(tickets, lost)[0]

    def predict_with_probabilities(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> tuple[list[Prediction], dict[str, Probabilities]]:
        """What `predict` and `predict_proba` give of the same tickets, encoded once."""
        written = [ticket.full_text for ticket in tickets]
        texts = [model_text(text) for text in written]
        answered, languages = self._ask(texts), self._languages(tickets, texts)
        novelty = find_novelty(self.memory, answered)
        decided = decide_targets(
            self.ensemble.targets, answered, languages, novelty.novel, lost or {}
        )
        times = [ticket.created_at for ticket in tickets]
        toned, toneless = self._tones(texts, answered)
        found = self.readers.read(written, times, toned, languages, texts)
        similar = self._similar(answered, len(tickets))
        predictions = [
            Prediction(
                ticket_id=ticket.id,
                bundle=self.version,
                fallback=self.fallback,
                language=languages[row],
                targets=self._explained(
                    written[row], text, {n: a[row] for n, a in decided.items()}
                ),
                sentiment=None if "sentiment" in self.targets else found.sentiment[row],
                entities=found.entities[row],
                novelty=novelty.p_value[row],
                similar=similar[row],
                degraded=(*answered.failed, *toneless, *found.failed),
            )
            for row, (ticket, text) in enumerate(zip(tickets, texts, strict=True))
        ]
        return predictions, answered.probabilities

    def decide(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]:
        """What is to be done with each ticket, in order, and little beside it.

        As `predict`, without words, evidence, sentiment, entities and similar tickets. Where there
        is a cascade, a ticket about which the linear member is sure enough, for all targets, stops
        there. Nobody looks whether such a ticket is novel.

        Parameters
        ----------
        lost : see `predict`
        """
        texts = [model_text(ticket.full_text) for ticket in tickets]
        languages = self._languages(tickets, texts)
        decided = self._tiers.decide(texts, languages, lost or {})
        return [
            Prediction(
                ticket_id=ticket.id,
                bundle=self.version,
                fallback=self.fallback,
                language=language,
                **found._asdict(),
            )
            for ticket, language, found in zip(tickets, languages, decided, strict=True)
        ]

    def find_similar(self, texts: Sequence[str], k: int) -> list[tuple[Neighbour, ...]]:
        """The k nearest past tickets of each text as a customer wrote it, the nearest first.

        Raises
        ------
        NoMemoryError
            If the assistant keeps no memory of tickets.
        """
        if self.memory is None:
            raise NoMemoryError("this bundle keeps no memory of past tickets")
        if not texts:
            return []
        read = [model_text(text) for text in texts]
        features = self.members[self.memory.member].encode(read)
        words = read if self.memory.index.has_texts else None
        return self.memory.index.search(features, k, texts=words)

    def _ask(self, texts: Sequence[str]) -> Answered:
        remembered = self.memory.member if self.memory else None
        return ask(self.members, self.ensemble, texts, remembered=remembered)

    def _languages(self, tickets: Sequence[Ticket], texts: Sequence[str]) -> list[str | None]:
        return [
            ticket.language or self._detector.detect(text)
            for ticket, text in zip(tickets, texts, strict=True)
        ]

    def _tones(
        self, texts: Sequence[str], answered: Answered
    ) -> tuple[Probabilities | None, tuple[str, ...]]:
        """What the fine-tuned member's head makes of the texts, and what failed."""
        member, apart = self.members.get("finetuned"), answered.apart.get("finetuned")
        if not self.readers.sentiment or apart is None or not isinstance(member, FinetunedMember):
            return None, ()
        try:
            return tones(member, texts, apart), ()
        except FAILURES as error:
            logger.error("the tone was not read: %s", type(error).__name__)
            return None, ("sentiment",)

    def _similar(self, answered: Answered, n: int) -> list[tuple[Neighbour, ...]]:
        if self.memory is None or answered.features is None or not n:
            return [()] * n
        told = self.memory.params.neighbours
        # Without the words of the texts: each answer pays for this.
        return self.memory.index.search(answered.features, told) if told else [()] * n

    def _explained(
        self, written: str, text: str, answers: Mapping[str, TargetPrediction]
    ) -> dict[str, TargetPrediction]:
        """The answers with the words and the evidence behind them."""
        words: Mapping[str, tuple[WordWeight, ...]] = {}
        if self._explainer is not None:
            classes = self.members["linear"].targets_
            known = {
                t: classes[t].index(a.label) for t, a in answers.items() if a.label in classes[t]
            }
            words = self._explainer.explain(text, known)
        evidence = self.ensemble.evidence.find(written) if self.ensemble.evidence else ()
        return {
            name: answer.model_copy(
                update={
                    "words": words.get(name, ()),
                    "evidence": evidence if self.ensemble.targets[name].ordinal else (),
                }
            )
            for name, answer in answers.items()
        }


def load_member(name: str, folder: Path, served: RuntimeParts | None = None) -> Member:
    """One member of a folder of parts, its networks opened by a runtime; None: by torch."""
    kind = MEMBERS[name]
    if served is not None and issubclass(kind, EmbeddingMember | FinetunedMember):
        return kind.load(folder / name, served.open_encoder)
    return kind.load(folder / name)
