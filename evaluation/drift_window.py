"""A window of tickets as drift sees it: arrays per ticket, and no text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from data.privacy import KINDS as HIDDEN
from evaluation.drift_report import WindowFacts
from evaluation.drift_words import KnownWords, WordCounts, count_words, plain_words
from models.entities import EntityFinder

UNKNOWN, OTHER = -1, -2
"""In `truth`: nobody said what is right; it is none of the classes, or not told which."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """What was answered for one target, and what people said of it.

    Attributes
    ----------
    classes : in column order
    predicted : class positions, shape (n,)
    confidence : calibrated, shape (n,)
    automatic : bool, shape (n,), what was routed unseen; None where it is not known
    probabilities : calibrated, shape (n, k); None where only the best was kept
    truth : class positions, `UNKNOWN` or `OTHER`, shape (n,); only of tickets whose labelling did
        not depend on the answer, such as the audit sample
    """

    classes: tuple[str, ...]
    predicted: Integers
    confidence: Floats
    automatic: NDArray[np.bool_] | None = None
    probabilities: Floats | None = None
    truth: Integers | None = None

    @classmethod
    def of(
        cls,
        classes: Sequence[str],
        probabilities: Floats,
        automatic: NDArray[np.bool_] | None = None,
        truth: Integers | None = None,
    ) -> Self:
        """Answers from calibrated probabilities of shape (n, k)."""
        return cls(
            tuple(classes),
            np.asarray(probabilities.argmax(axis=1), dtype=np.int64),
            np.asarray(probabilities.max(axis=1), dtype=np.float64),
            automatic,
            np.asarray(probabilities, dtype=np.float64),
            truth,
        )

    @property
    def labelled(self) -> Integers:
        """Rows of which it is known whether the answer is right."""
        if self.truth is None:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(self.truth != UNKNOWN)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each labelled row is right, in the order of `labelled`."""
        rows = self.labelled
        return np.asarray(self._truth[rows] == self.predicted[rows])

    @property
    def _truth(self) -> Integers:
        return np.full(len(self.predicted), UNKNOWN) if self.truth is None else self.truth

    def names(self) -> list[str]:
        """The labels answered, shape (n,)."""
        return [self.classes[position] for position in self.predicted]

    def take(self, rows: Integers) -> "Answers":
        """The answers for some rows."""
        return Answers(
            self.classes,
            self.predicted[rows],
            self.confidence[rows],
            None if self.automatic is None else self.automatic[rows],
            None if self.probabilities is None else self.probabilities[rows],
            None if self.truth is None else self.truth[rows],
        )


@dataclass(frozen=True)
class Window:
    """Tickets of a time or a file, one entry each.

    Attributes
    ----------
    ids : shape (n,), to name tickets by
    languages : ISO 639-1, `unknown` where it could not be told, shape (n,)
    lengths : characters, shape (n,)
    entities : whether each ticket holds an entity of the kind in `kinds`, shape (n, k)
    unknown_words : share of a ticket's words that training has not seen, shape (n,)
    embeddings : shape (len(embedded), d)
    embedded : rows that the embeddings are of, ascending
    encoder : what made them; only those of the same one are compared
    """

    facts: WindowFacts
    ids: tuple[str, ...]
    languages: tuple[str, ...]
    lengths: Floats
    kinds: tuple[str, ...]
    entities: NDArray[np.bool_]
    words: WordCounts
    unknown_words: Floats | None = None
    targets: Mapping[str, Answers] = field(default_factory=dict)
    embeddings: NDArray[np.float32] | None = None
    embedded: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    encoder: str | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: Integers) -> "Window":
        """Some of the tickets, in order; the words stay those of all."""
        rows = np.sort(rows)
        kept = np.isin(self.embedded, rows)
        return replace(
            self,
            facts=self.facts.model_copy(update={"tickets": len(rows)}),
            ids=tuple(self.ids[row] for row in rows),
            languages=tuple(self.languages[row] for row in rows),
            lengths=self.lengths[rows],
            entities=self.entities[rows],
            unknown_words=None if self.unknown_words is None else self.unknown_words[rows],
            targets={target: answers.take(rows) for target, answers in self.targets.items()},
            embeddings=None if self.embeddings is None else self.embeddings[kept],
            embedded=np.searchsorted(rows, self.embedded[kept]).astype(np.int64),
        )


_FINDER = EntityFinder()

KINDS = tuple(sorted({"url", "uuid", "cve", "exception", "path", "datetime", "hash", "order",
                      "ticket", "error_code", "http_status", "domain", "port", "size", "duration",
                      "user", "version", *HIDDEN}))  # fmt: skip
"""Kinds of entities counted: those of the rules, and what masking leaves of hidden ones."""


def make_window(
    facts: WindowFacts,
    texts: Sequence[str],
    *,
    ids: Sequence[str],
    languages: Sequence[str | None],
    groups: Sequence[str] | None = None,
    known: KnownWords | None = None,
    targets: Mapping[str, Answers] | None = None,
    embeddings: NDArray[np.floating] | None = None,
    embedded: Integers | None = None,
    encoder: str | None = None,
) -> Window:
    """The window of tickets whose texts are as a model reads them: prepared and masked.

    Parameters
    ----------
    texts, ids, languages : shape (n,)
    groups : the customer of each ticket; without, each ticket counts as another's
    known : words that training has seen
    embeddings, embedded : of those rows, of all where the rows are left out
    """
    words = [plain_words(text) for text in texts]
    if embeddings is not None and embedded is None:
        embedded = np.arange(len(texts))
    return Window(
        facts=facts.model_copy(update={"tickets": len(texts)}),
        ids=tuple(ids),
        languages=tuple(language or "unknown" for language in languages),
        lengths=np.array([len(text) for text in texts], dtype=np.float64),
        kinds=KINDS,
        entities=np.array([_kinds_in(text) for text in texts]).reshape(len(texts), len(KINDS)),
        words=count_words(words, groups if groups is not None else ids),
        unknown_words=None
        if known is None
        else np.array([known.unknown_share(found) for found in words], dtype=np.float64),
        targets=targets or {},
        embeddings=None if embeddings is None else np.asarray(embeddings, dtype=np.float32),
        embedded=np.zeros(0, dtype=np.int64) if embedded is None else embedded,
        encoder=encoder if embeddings is not None else None,
    )


def _kinds_in(text: str) -> list[bool]:
    """Whether each of `KINDS` stands in a masked text.

    Hidden kinds are told by their placeholder alone: the texts of every window are masked.
    """
    found = {entity.label for entity in _FINDER.find(text)} - set(HIDDEN)
    found |= {kind for kind in HIDDEN if f"[{kind}]" in text}
    return [kind in found for kind in KINDS]
