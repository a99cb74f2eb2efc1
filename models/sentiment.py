"""The sentiment of a text (negative, neutral, positive), for tickets that carry no such label.

It is one more head of the fine-tuned member, trained jointly with the targets on public texts that
carry nothing but a sentiment: a ticket's tone comes from the pass that its targets need anyhow.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, ValidationError

from data.errors import BundleError, UnknownLabelError
from data.schema import Record
from models.base import Probabilities
from models.calibration import apply_temperature, fit_temperature
from models.reader_facts import ReaderFacts

if TYPE_CHECKING:
    from models.finetuned import FinetunedMember

SENTIMENTS = ("negative", "neutral", "positive")
"""The classes, in column order."""

TARGET = "sentiment"
"""Of the head; an organisation's own labels of this name go before it."""

FILE = "sentiment.json"
"""Beside the fine-tuned member whose head it speaks of."""


class SentimentReader(Record):
    """Reads the tone off a fine-tuned member's answers; what sentiment.json says."""

    facts: ReaderFacts
    temperature: PositiveFloat

    @classmethod
    def load(cls, folder: Path, member: "FinetunedMember") -> "SentimentReader | None":
        """The reader kept beside a fine-tuned member; None where that member learned no tone.

        Raises
        ------
        BundleError
            If the file is damaged, or the member has no such head.
        """
        if not (folder / FILE).is_file():
            return None
        try:
            reader = cls.model_validate(json.loads((folder / FILE).read_bytes()))
        except (OSError, ValueError, ValidationError) as error:
            raise BundleError(f"{folder / FILE}: no sentiment reader") from error
        if member.targets_.get(TARGET) != SENTIMENTS:
            raise BundleError(f"{folder / FILE} speaks of a head that the member does not have")
        return reader

    def save(self, folder: Path) -> None:
        """Write sentiment.json."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    def calibrate(self, scores: Probabilities) -> Probabilities:
        """Calibrated probabilities from those of the head; shape (n, 3), columns `SENTIMENTS`."""
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


def fit_tone(member: "FinetunedMember", texts: Sequence[str], labels: Sequence[str]) -> float:
    """Temperature of the head, from texts that it has not learned.

    Raises
    ------
    UnknownLabelError
        If a label is none of `SENTIMENTS`.
    """
    return fit_temperature(tones(member, texts), positions(labels))


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
