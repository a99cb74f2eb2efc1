"""The assistant: tickets in, predictions out; what a bundle holds."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from data.errors import BundleError, NoMemoryError
from data.language import LINGUA, LanguageDetector
from data.schema import Neighbour, Prediction, TargetPrediction, Ticket, WordWeight
from data.text import model_text
from models.base import Features, Member, Probabilities, align_columns
from models.content import READERS
from models.decision import decide, withheld
from models.embedding import EmbeddingMember
from models.ensemble import Ensemble, read_ensemble
from models.explanation import WordExplainer
from models.finetuned import FinetunedMember
from models.linear import LinearMember
from models.memory import FILE, Memory
from models.readers import Readers
from models.sentiment import tones

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
    language_detector: str = LINGUA


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
    ) -> None:
        self.members = dict(members)
        self.ensemble = ensemble
        self.facts = facts or Facts()
        self.memory = memory
        self.readers = readers or Readers()
        if "sentiment" in ensemble.targets:  # learned from the organisation's own labels
            self.readers = self.readers.without("sentiment")
        self._detector = LanguageDetector(
            self.facts.languages, detector=self.facts.language_detector
        )
        self.targets = {name: target.classes for name, target in ensemble.targets.items()}
        linear = self.members.get("linear")
        self._explainer = WordExplainer(linear) if isinstance(linear, LinearMember) else None

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
        memory = Memory.load(folder / MEMORY) if (folder / MEMORY / FILE).is_file() else None
        if memory is not None and memory.member not in members:
            raise BundleError(f"{folder / MEMORY} needs {memory.member}, which carries no weight")
        finetuned = members.get("finetuned")
        readers = Readers.load(
            folder / READERS,
            finetuned if isinstance(finetuned, FinetunedMember) else None,
            folder / "finetuned",
        )
        return cls(members, ensemble, facts, memory=memory, readers=readers)

    def with_facts(self, facts: Facts) -> "TicketAssistant":
        """The same assistant under another version."""
        return TicketAssistant(
            self.members, self.ensemble, facts, memory=self.memory, readers=self.readers
        )

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]:
        """Target -> calibrated probabilities (n, k) for texts as a customer wrote them."""
        return self._answer([model_text(text) for text in texts]).probabilities

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
        answered = self._answer(texts)
        languages = [
            ticket.language or self._detector.detect(text)
            for ticket, text in zip(tickets, texts, strict=True)
        ]
        novelty = self._novelty(answered)
        decided = {
            name: decide(
                target,
                answered.probabilities[name],
                [
                    withheld(target.routing, language, degraded=bool(answered.failed), novel=novel)
                    for language, novel in zip(languages, novelty.novel, strict=True)
                ],
                (lost or {}).get(name, ()),
            )
            for name, target in self.ensemble.targets.items()
        }
        times = [ticket.created_at for ticket in tickets]
        found = self.readers.read(written, times, answered.tones, languages)
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
                degraded=(*answered.failed, *found.failed),
            )
            for row, (ticket, text) in enumerate(zip(tickets, texts, strict=True))
        ]
        return predictions, answered.probabilities

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

    def _answer(self, texts: Sequence[str]) -> "_Answered":
        answers: dict[str, dict[str, Probabilities]] = {}
        failed: list[str] = []
        features: Features | None = None
        toned: Probabilities | None = None
        for name, member in self.members.items():
            try:
                remembered = self.memory is not None and name == self.memory.member
                if remembered:
                    features = member.encode(texts)
                    answered = member.predict_features(features)
                else:
                    answered = member.predict_proba(texts)
                answers[name] = {
                    target: align_columns(answered[target], member.targets_[target], classes)
                    for target, classes in self.targets.items()
                }
                if self.readers.sentiment and isinstance(member, FinetunedMember):
                    toned = tones(member, texts, answered)
            except (RuntimeError, ValueError, MemoryError) as error:
                logger.error("member %s failed: %s", name, type(error).__name__)
                failed.append(name)
        if not answers:
            raise BundleError(f"no member answered; failed: {', '.join(failed)}")
        combined = self.ensemble.combine(answers, texts)
        return _Answered(combined, tuple(failed), features, toned, len(texts))

    def _novelty(self, answered: "_Answered") -> "_Novelty":
        if self.memory is None or answered.features is None or not answered.n:
            return _Novelty([None] * answered.n, [False] * answered.n)
        novelty = self.memory.novelty
        scores = novelty.score(answered.features)
        return _Novelty(novelty.p_value(scores).tolist(), novelty.is_novel(scores).tolist())

    def _similar(self, answered: "_Answered", n: int) -> list[tuple[Neighbour, ...]]:
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


class _Answered(NamedTuple):
    """What the members made of some texts.

    `features` are those of the memory's member, `tones` those of the fine-tuned member's head.
    """

    probabilities: dict[str, Probabilities]
    failed: tuple[str, ...]
    features: Features | None
    tones: Probabilities | None
    n: int


class _Novelty(NamedTuple):
    p_value: list[float | None]
    novel: list[bool]
