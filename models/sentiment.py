"""The sentiment of a text (negative, neutral, positive), for tickets that carry no such label.

It is one more head of the fine-tuned member, trained jointly with the targets on public texts that
carry nothing but a sentiment: a ticket's tone comes from the pass that its targets need anyhow. A
second opinion, of words and signs alone, is joined with it: see `models.word_tone`.
"""

import json
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, ValidationError

from data.errors import BundleError, UnknownLabelError
from data.schema import Record
from models.base import Probabilities
from models.calibration import apply_temperature
from models.reader_facts import ReaderFacts
from models.tone_words import read_tone_words
from models.word_tone import FOLDER, WordTone

if TYPE_CHECKING:
    from models.finetuned import FinetunedMember

SENTIMENTS = ("negative", "neutral", "positive")
"""The classes, in column order."""

TARGET = "sentiment"
"""Of the head; an organisation's own labels of this name go before it."""

FILE = "sentiment.json"
"""Beside the fine-tuned member whose head it speaks of."""

Labelled = tuple[Sequence[str], Sequence[str]]
"""Texts, and the sentiment of each."""


class SentimentFile(Record):
    """What sentiment.json says; `words` is false in bundles sealed before there was such a part."""

    facts: ReaderFacts
    temperature: PositiveFloat
    words: bool = False


@dataclass(frozen=True)
class SentimentReader:
    """Reads the tone off a fine-tuned member's answers, and off the words of the text.

    Attributes
    ----------
    words : None where the head alone is asked
    """

    facts: ReaderFacts
    temperature: float
    words: WordTone | None = None

    @classmethod
    def load(cls, folder: Path, member: "FinetunedMember") -> "SentimentReader | None":
        """The reader kept beside a fine-tuned member; None where that member learned no tone.

        Raises
        ------
        BundleError
            If a file is damaged, or the member has no such head.
        """
        if not (folder / FILE).is_file():
            return None
        try:
            told = SentimentFile.model_validate(json.loads((folder / FILE).read_bytes()))
        except (OSError, ValueError, ValidationError) as error:
            raise BundleError(f"{folder / FILE}: no sentiment reader") from error
        if member.targets_.get(TARGET) != SENTIMENTS:
            raise BundleError(f"{folder / FILE} speaks of a head that the member does not have")
        words = WordTone.load(folder / FOLDER) if told.words else None
        if words and words.classes != SENTIMENTS:
            raise BundleError(f"{folder / FOLDER} knows other sentiments than the head")
        return cls(told.facts, told.temperature, words)

    def save(self, folder: Path) -> None:
        """Write sentiment.json, and the folder `words` where they are asked."""
        folder.mkdir(parents=True, exist_ok=True)
        told = SentimentFile(
            facts=self.facts, temperature=self.temperature, words=self.words is not None
        )
        (folder / FILE).write_text(told.model_dump_json(indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        if self.words:
            self.words.save(folder / FOLDER)

    def answer(self, scores: Probabilities, texts: Sequence[str]) -> Probabilities:
        """Calibrated probabilities, shape (n, 3), columns `SENTIMENTS`.

        Parameters
        ----------
        scores : of the head, one row per text; see `tones`
        texts : as `data.text.model_text` gives them
        """
        if self.words:
            scores = self.words.joined(scores, [name_pictures(text) for text in texts])
        return apply_temperature(scores, self.temperature)


def tones(
    member: "FinetunedMember",
    texts: Sequence[str],
    answered: Mapping[str, Probabilities] | None = None,
) -> Probabilities:
    """What the head makes of texts, not yet calibrated; shape (n, 3), columns `SENTIMENTS`.

    Parameters
    ----------
    texts : as `data.text.model_text` gives them
    answered : what the member made of these texts, where that is known already; only those with
        pictographs are then read once more, with the pictographs' names
    """
    read = [name_pictures(text) for text in texts]
    if answered is None:
        return member.predict_proba(read)[TARGET] if read else np.zeros((0, len(SENTIMENTS)))
    found = answered[TARGET]
    renamed = [row for row, text in enumerate(texts) if text != read[row]]
    if renamed:
        found = found.copy()
        found[renamed] = member.predict_proba([read[row] for row in renamed])[TARGET]
    return found


def fit_tone(
    member: "FinetunedMember", taught: Labelled, held_out: Labelled
) -> tuple[WordTone, float]:
    """What reads the tone beside the head, and the temperature of both together.

    Parameters
    ----------
    taught : texts and labels that the member learned its head from; the words are learned from them
    held_out : texts and labels that it has not seen: they tell how much each opinion is worth

    Raises
    ------
    UnknownLabelError
        If a label is none of `SENTIMENTS`.
    """
    positions(taught[1])
    read = [name_pictures(text) for text in held_out[0]]
    words = WordTone.fit(
        read_tone_words(), [name_pictures(text) for text in taught[0]], taught[1], TARGET
    )
    return words.weighed(tones(member, held_out[0]), read, positions(held_out[1]))


def positions(labels: Sequence[str]) -> NDArray[np.int64]:
    """Class positions, shape (n,).

    Raises
    ------
    UnknownLabelError
        If a label is none of `SENTIMENTS`.
    """
    for label in labels:
        if label not in SENTIMENTS:
            raise UnknownLabelError(TARGET, label, SENTIMENTS)
    return np.array([SENTIMENTS.index(label) for label in labels], dtype=np.int64)


def name_pictures(text: str) -> str:
    """The text with each pictograph as its Unicode name, which the encoder can read.

    Its vocabulary holds ":" and ")", so that emoticons reach it, but no pictograph.
    """
    if text.isascii():
        return text
    return "".join(
        f" {unicodedata.name(one, '').lower()} " if unicodedata.category(one) == "So" else one
        for one in text
    )
