"""What is read from a ticket beside its targets: its entities and its tone."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

from data.schema import Candidate, Entity
from models.entities import EntityFinder
from models.sentiment import SentimentReader

logger = logging.getLogger(__name__)

SENTIMENT = "sentiment"

T = TypeVar("T")


@dataclass(frozen=True)
class Readings:
    """What was read from some tickets, one entry per ticket; `failed` names the readers that broke.

    A reader that breaks leaves nothing or None in its place: no decision rests on it.
    """

    entities: list[tuple[Entity, ...]]
    sentiment: list[Candidate | None]
    failed: tuple[str, ...]


class Readers:
    """Readers that need none of the organisation's own labels; safe to ask from several threads.

    Parameters
    ----------
    sentiment : None where none is sealed in the bundle
    """

    def __init__(self, sentiment: SentimentReader | None = None) -> None:
        self._entities = EntityFinder()
        self._sentiment = sentiment

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The readers whose folders are there; raises BundleError where one cannot be read."""
        own = folder / SENTIMENT
        return cls(SentimentReader.load(own) if own.is_dir() else None)

    def read(
        self, written: Sequence[str], texts: Sequence[str], times: Sequence[datetime | None]
    ) -> Readings:
        """Read tickets.

        Parameters
        ----------
        written : as the customers wrote them; offsets of entities count their characters
        texts : as the models read them
        times : when they were written; a date without a year is put near it
        """
        failed: list[str] = []

        def attempt(name: str, read: Callable[[], list[T]], instead: T) -> list[T]:
            try:
                return read()
            except (RuntimeError, ValueError, MemoryError) as error:
                logger.error("reader %s failed: %s", name, type(error).__name__)
                failed.append(name)
                return [instead] * len(written)

        entities: list[tuple[Entity, ...]] = attempt(
            "entities",
            lambda: [
                self._entities.find(text, reference=time)
                for text, time in zip(written, times, strict=True)
            ],
            (),
        )
        sentiment = attempt(SENTIMENT, lambda: self._tones(texts), None)
        return Readings(entities, sentiment, tuple(failed))

    def _tones(self, texts: Sequence[str]) -> list[Candidate | None]:
        if self._sentiment is None or not texts:
            return [None] * len(texts)
        probabilities = self._sentiment.predict_proba(texts)
        names = self._sentiment.classes_
        return [
            Candidate(label=names[int(row.argmax())], probability=min(1.0, float(row.max())))
            for row in probabilities
        ]
