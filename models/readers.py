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
from data.text import model_text
from models.base import Probabilities
from models.content import READERS_FILE
from models.entities import EntityFinder
from models.reader_facts import ReaderFacts
from models.reading_entities import SHOWN_KINDS, merge, shown
from models.sentiment import SENTIMENTS, SentimentReader

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

MOST_PIECES = 512
"""Of a text; the tagger cuts its windows itself, and shorter."""

T = TypeVar("T")


class Tagger(Protocol):
    """Finds learned entities; `EntityTagger` and `SessionTagger` do."""

    def find(
        self, texts: Sequence[str], names: tuple[str, ...] | None = None
    ) -> list[tuple[Entity, ...]]: ...


OpenTagger = Callable[[Path], Tagger | None]
"""Reads the tagger in a folder; None where it is not to be read."""


LOWER = "lower"
"""Folder of the layers that the tagger stands on, beside its own."""


class ReadersFile(Record):
    """What readers.json says: on which layers the tagger stands, and what it is worth."""

    encoder: str
    layers: int = Field(ge=0, description="lowest layers that it leaves as published")
    digest: str | None = Field(
        default=None, description="only in bundles sealed without the folder `lower`"
    )
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
        """The readers sealed in a bundle; nothing is looked up elsewhere.

        Parameters
        ----------
        folder : of the tagger and of the layers that it stands on. Bundles sealed earlier hold no
            such layers: without `open_tagger` only rules read then, and a warning says so
        tone : of the member, where sentiment.json lies if it learned a tone
        open_tagger : opens a tagger that was exported together with those layers; left out: torch
            runs it

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
        if not (folder / LOWER).is_dir():
            logger.warning(
                "learned entities are not read: %s lacks the %d lowest layers of %s, on which they "
                "rest; train again, or let another runtime than torch answer",
                folder,
                told.layers,
                told.encoder,
            )
            return cls(sentiment)
        # Both load torch, which not all who answer need.
        from models.encoders import open_encoder
        from models.tagger import EntityTagger

        if not named:
            return cls(sentiment, None, told.readers)
        lower = open_encoder(folder / LOWER, MOST_PIECES, normalise=False).cpu()
        return cls(sentiment, EntityTagger.load(folder / TAGGER, lower), told.readers)

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
        texts: Sequence[str] | None = None,
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
        texts : as `data.text.model_text` gives them, where they are there already
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
        sentiment = attempt(SENTIMENT, lambda: self._tones(tones, languages, written, texts), None)
        return Readings(entities, sentiment, tuple(failed))

    def _learned(self, written: Sequence[str]) -> list[tuple[Entity, ...]]:
        """Learned entities; a text without a capital holds none that is shown and is not read."""
        found: list[tuple[Entity, ...]] = [()] * len(written)
        if self._tagger is None:
            return found
        heads = [text[:LEARNED_CHARACTERS] for text in written]
        rows = [row for row, text in enumerate(heads) if any(map(str.isupper, text))]
        learned = self._tagger.find([heads[row] for row in rows], SHOWN_KINDS)
        for row, entities in zip(rows, learned, strict=True):
            found[row] = shown(heads[row], entities)
        return found

    def _tones(
        self,
        scores: Probabilities | None,
        languages: Sequence[str | None] | None,
        written: Sequence[str],
        texts: Sequence[str] | None,
    ) -> list[Candidate | None]:
        told: list[Candidate | None] = [None] * len(written)
        if self._sentiment is None or scores is None:
            return told
        spoken = self._sentiment.facts.languages
        rows = [
            row
            for row in range(len(written))
            if not spoken or languages is None or languages[row] in spoken
        ]
        read = [model_text(written[row]) if texts is None else texts[row] for row in rows]
        for row, found in zip(rows, self._sentiment.answer(scores[rows], read), strict=True):
            label = SENTIMENTS[int(found.argmax())]
            told[row] = Candidate(label=label, probability=min(1.0, float(found.max())))
        return told


def read_readers_file(folder: Path) -> ReadersFile:
    """What readers.json says; raises BundleError where it is not what it should be."""
    try:
        return ReadersFile.model_validate(json.loads((folder / FILE).read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise BundleError(f"{folder / FILE} names no readers: {type(error).__name__}") from error
