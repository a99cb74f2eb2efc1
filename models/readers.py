"""What is read from a ticket beside its targets: its entities and its tone."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from pydantic import Field, ValidationError

from data.errors import BundleError
from data.schema import Candidate, Entity, Record
from models.content import READERS_FILE
from models.entities import EntityFinder
from models.reading_entities import merge, shown
from models.sentiment import SentimentReader
from models.shared_pass import lower_digest
from models.tagger import EntityTagger

if TYPE_CHECKING:
    from torch import Tensor

    from models.finetuned import FinetunedMember

logger = logging.getLogger(__name__)

FILE = READERS_FILE
SENTIMENT, TAGGER = "sentiment", "tagger"

LEARNED_CHARACTERS = 4_000
"""Learned kinds are looked for in so many first characters of a ticket; rules read all of it.

The tagger is the dearest part of an answer (benchmark `reading-costs`), and its time grows with the
text.
"""

T = TypeVar("T")


class ReaderFacts(Record):
    """Where a reader comes from and what it is worth."""

    dataset: str = Field(description="it learned from; an entry of data/catalog.yaml")
    fallback: bool = Field(description="true when the bundled sample stood in")
    rows: int = Field(ge=0, description="texts or sentences it learned from")
    figures: dict[str, float] = Field(description="measured on test rows of the data set, by name")
    intervals: dict[str, tuple[float, float]] = Field(default={}, description="95 %, by name")
    test_rows: int = Field(ge=0)
    languages: tuple[str, ...] = Field(
        default=(), description="it learned from, and reads; empty: whatever it is given"
    )


class ReadersFile(Record):
    """What readers.json says: which layers the readers share, and what each is."""

    encoder: str
    layers: int = Field(ge=0, description="lowest layers that the readers leave as published")
    digest: str = Field(description="of those layers, see models.shared_pass.lower_digest")
    readers: dict[str, ReaderFacts]


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
    sentiment, tagger : None where none is sealed in the bundle

    Attributes
    ----------
    facts : reader -> where it comes from and what it is worth
    """

    def __init__(
        self,
        sentiment: SentimentReader | None = None,
        tagger: EntityTagger | None = None,
        facts: Mapping[str, ReaderFacts] | None = None,
    ) -> None:
        self._entities = EntityFinder()
        self._sentiment = sentiment
        self._tagger = tagger
        self.facts = dict(facts or {})

    @classmethod
    def load(cls, folder: Path, finetuned: "FinetunedMember | None" = None) -> Self:
        """The readers of a folder that can go on from the lowest layers of a fine-tuned member.

        Nothing is looked up elsewhere: where there is no such member, or training changed those
        layers, only rules read, and a warning says so.

        Raises
        ------
        BundleError
            If a reader is named and cannot be read.
        """
        if not (folder / FILE).is_file():
            return cls()
        told = read_readers_file(folder)
        if finetuned is None or not shares(told, finetuned):
            logger.warning(
                "sentiment and learned entities are not read: the fine-tuned member does not share "
                "the %d lowest layers of %s",
                told.layers,
                told.encoder,
            )
            return cls()
        base = finetuned.base
        return cls(
            SentimentReader.load(folder / SENTIMENT, base) if SENTIMENT in told.readers else None,
            EntityTagger.load(folder / TAGGER, base) if TAGGER in told.readers else None,
            told.readers,
        )

    @property
    def shared_layers(self) -> int | None:
        """Layers whose states `read` can make use of; None: of no states."""
        return None if self._sentiment is None else self._sentiment.params.tower.frozen_layers

    def without(self, *names: str) -> "Readers":
        """The same without some; for data that tells it by itself, and to see what one costs."""
        return Readers(
            None if SENTIMENT in names else self._sentiment,
            None if TAGGER in names else self._tagger,
            {name: facts for name, facts in self.facts.items() if name not in names},
        )

    def read(
        self,
        written: Sequence[str],
        texts: Sequence[str],
        times: Sequence[datetime | None],
        states: "Sequence[Tensor] | None" = None,
        languages: Sequence[str | None] | None = None,
    ) -> Readings:
        """Read tickets.

        Parameters
        ----------
        written : as the customers wrote them; offsets of entities count their characters
        texts : as the models read them
        times : when they were written; a date without a year is put near it
        states : what the `shared_layers` made of each of `texts`, where it is there already
        languages : of each text, None where unknown; the tone of a text in a language that the
            reader has not learned is None. Left out: every text is read
        """
        failed: list[str] = []

        def attempt(name: str, read: Callable[[], list[T]], instead: T) -> list[T]:
            try:
                return read()
            except (RuntimeError, ValueError, MemoryError) as error:
                logger.error("reader %s failed: %s", name, type(error).__name__)
                failed.append(name)
                return [instead] * len(written)

        rules: list[tuple[Entity, ...]] = attempt(
            "entities",
            lambda: [
                self._entities.find(text, reference=time)
                for text, time in zip(written, times, strict=True)
            ],
            (),
        )
        learned: list[tuple[Entity, ...]] = attempt(TAGGER, lambda: self._learned(written), ())
        entities = [
            merge(ruled, found) if found else ruled
            for ruled, found in zip(rules, learned, strict=True)
        ]
        sentiment = attempt(SENTIMENT, lambda: self._tones(texts, states, languages), None)
        return Readings(entities, sentiment, tuple(failed))

    def _learned(self, written: Sequence[str]) -> list[tuple[Entity, ...]]:
        """Learned entities; a text without a capital holds none that is shown and is not read."""
        found: list[tuple[Entity, ...]] = [()] * len(written)
        if self._tagger is None:
            return found
        heads = [text[:LEARNED_CHARACTERS] for text in written]
        rows = [row for row, text in enumerate(heads) if any(map(str.isupper, text))]
        for row, entities in zip(rows, self._tagger.find([heads[r] for r in rows]), strict=True):
            found[row] = shown(heads[row], entities)
        return found

    def _tones(
        self,
        texts: Sequence[str],
        states: "Sequence[Tensor] | None",
        languages: Sequence[str | None] | None,
    ) -> list[Candidate | None]:
        tones: list[Candidate | None] = [None] * len(texts)
        if self._sentiment is None:
            return tones
        spoken = self.facts[SENTIMENT].languages if SENTIMENT in self.facts else ()
        rows = [
            row
            for row in range(len(texts))
            if not spoken or languages is None or languages[row] in spoken
        ]
        probabilities = self._sentiment.predict_proba(
            [texts[row] for row in rows], None if states is None else [states[row] for row in rows]
        )
        names = self._sentiment.classes_
        for row, found in zip(rows, probabilities, strict=True):
            tones[row] = Candidate(
                label=names[int(found.argmax())], probability=min(1.0, float(found.max()))
            )
        return tones


def shares(told: ReadersFile, finetuned: "FinetunedMember") -> bool:
    """Whether the member's lowest layers are those that the readers were trained above."""
    params = finetuned.params
    if params.encoder != told.encoder or params.frozen_layers < told.layers:
        return False
    return lower_digest(finetuned.base, told.layers) == told.digest


def read_readers_file(folder: Path) -> ReadersFile:
    """What readers.json says; raises BundleError where it is not what it should be."""
    try:
        return ReadersFile.model_validate(json.loads((folder / FILE).read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise BundleError(f"{folder / FILE} names no readers: {type(error).__name__}") from error
