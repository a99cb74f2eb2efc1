"""What is read from a ticket beside its targets: its entities and its tone."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from pydantic import Field, ValidationError

from data.errors import BundleError
from data.schema import Candidate, Entity, Record
from models.base import Probabilities
from models.content import READERS_FILE
from models.entities import EntityFinder
from models.reader_facts import ReaderFacts
from models.reading_entities import merge, shown
from models.sentiment import SENTIMENTS, SentimentReader
from models.shared_layers import lower_digest

if TYPE_CHECKING:
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


class Tagger(Protocol):
    """Finds learned entities; `EntityTagger` and `SessionTagger` do."""

    def find(self, texts: Sequence[str]) -> list[tuple[Entity, ...]]: ...


OpenTagger = Callable[[Path], Tagger | None]
"""Reads the tagger in a folder; None where it is not to be read."""


class ReadersFile(Record):
    """What readers.json says: on which layers the tagger stands, and what it is worth."""

    encoder: str
    layers: int = Field(ge=0, description="lowest layers that it leaves as published")
    digest: str = Field(description="of those layers, see models.shared_layers.lower_digest")
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
        tagger: Tagger | None = None,
        facts: Mapping[str, ReaderFacts] | None = None,
    ) -> None:
        self._entities = EntityFinder()
        self._sentiment = sentiment
        self._tagger = tagger
        told = {SENTIMENT: sentiment.facts} if sentiment else {}
        self.facts = {**told, **(facts or {})}

    @classmethod
    def load(
        cls,
        folder: Path,
        finetuned: "FinetunedMember | None",
        tone: Path,
        open_tagger: OpenTagger | None = None,
    ) -> Self:
        """The readers that go on from what a fine-tuned member makes of a text.

        Nothing is looked up elsewhere: where there is no such member, or training changed the
        layers that the tagger stands on, only rules read, and a warning says so.

        Parameters
        ----------
        folder : of the tagger
        tone : of the member, where sentiment.json lies if it learned a tone
        open_tagger : opens a tagger that needs no layers of the member, because they were exported
            with it; left out: one that stands on them is opened, where the member shares them

        Raises
        ------
        BundleError
            If a reader is named and cannot be read.
        """
        sentiment = None if finetuned is None else SentimentReader.load(tone, finetuned)
        if not (folder / FILE).is_file():
            return cls(sentiment)
        told = read_readers_file(folder)
        named = TAGGER in told.readers
        if open_tagger is not None:
            exported = open_tagger(folder / TAGGER) if named else None
            return cls(sentiment, exported, told.readers if exported else {})
        if finetuned is None or not shares(told, finetuned):
            logger.warning(
                "learned entities are not read: the fine-tuned member does not share the %d lowest "
                "layers of %s",
                told.layers,
                told.encoder,
            )
            return cls(sentiment)
        from models.tagger import EntityTagger  # loads torch, which not all who answer need

        tagger = EntityTagger.load(folder / TAGGER, finetuned.base) if named else None
        return cls(sentiment, tagger, told.readers)

    @property
    def sentiment(self) -> SentimentReader | None:
        """Reads the tone off what the fine-tuned member answers; None: no tone is read."""
        return self._sentiment

    @property
    def tagger(self) -> Tagger | None:
        """Finds entities that no rule can list; None: rules alone read."""
        return self._tagger

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
        times: Sequence[datetime | None],
        tones: Probabilities | None = None,
        languages: Sequence[str | None] | None = None,
    ) -> Readings:
        """Read tickets.

        Parameters
        ----------
        written : as the customers wrote them; offsets of entities count their characters
        times : when they were written; a date without a year is put near it
        tones : what the fine-tuned member's head makes of them, see `models.sentiment.tones`;
            None where it did not answer
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
        sentiment = attempt(SENTIMENT, lambda: self._tones(tones, languages, len(written)), None)
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
        self, scores: Probabilities | None, languages: Sequence[str | None] | None, n: int
    ) -> list[Candidate | None]:
        if self._sentiment is None or scores is None:
            return [None] * n
        spoken = self._sentiment.facts.languages
        told: list[Candidate | None] = []
        for row, found in enumerate(self._sentiment.calibrate(scores)):
            if spoken and languages is not None and languages[row] not in spoken:
                told.append(None)
                continue
            label = SENTIMENTS[int(found.argmax())]
            told.append(Candidate(label=label, probability=min(1.0, float(found.max()))))
        return told


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
