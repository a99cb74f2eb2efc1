"""What words and signs alone make of a tone: the second opinion beside the encoder's head.

The head reads features that are shared with the tickets' own targets, of lower-cased pieces; this
reads emoticons, capitals, denials and words of feeling. Both are asked, and the logarithms of what
they say are added, that of the words with a weight.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError

from data.errors import BundleError, DataError
from data.schema import Record
from models.base import Probabilities
from models.calibration import SMALLEST, apply_temperature, log_loss
from models.linear import LinearMember, LinearParams
from models.tone_words import ToneWords

FOLDER = "words"
"""Beside the fine-tuned member, in its folder."""

FILE = "words.json"

PARAMS = LinearParams(words=(1, 2), characters=(3, 5), min_df=2, C=1.0)
"""Chosen by five folds of senti4sd's published train file (3,097 posts), two opinions together.

A member of three layers that learned the same folds alone: macro F1 0.877, log loss 0.359; the
words alone 0.844 (0.818 without the lexicon, 0.79 as the linear member reads a text); together
0.881 and 0.318.
"""

MOST_WEIGHT = 5.0
"""Of the words, that of the head being 1."""


class WordsFile(Record):
    """What words.json says."""

    weight: float = Field(ge=0, le=MOST_WEIGHT, description="of the words; that of the head is 1")
    lexicon: dict[str, tuple[str, ...]] = Field(description="see `models.tone_words`")


@dataclass(frozen=True, eq=False)
class WordTone:
    """Reads the tone off words and signs; safe to ask from several threads.

    Attributes
    ----------
    lexicon : kind -> words that tell of a feeling, kept with what was learned from them
    weight : of this opinion, that of the head being 1
    """

    lexicon: Mapping[str, Sequence[str]]
    words: ToneWords
    member: LinearMember
    weight: float

    @classmethod
    def fit(
        cls,
        lexicon: Mapping[str, Sequence[str]],
        texts: Sequence[str],
        labels: Sequence[str],
        target: str,
    ) -> Self:
        """Learn from texts that carry a tone; `weighed` then says how much to listen."""
        words = ToneWords(lexicon)
        member = LinearMember(PARAMS).fit([words.write(t) for t in texts], {target: labels})
        return cls(lexicon, words, member, weight=1.0)

    @property
    def classes(self) -> tuple[str, ...]:
        """The tones, in column order."""
        (classes,) = self.member.targets_.values()
        return classes

    def scores(self, texts: Sequence[str]) -> Probabilities:
        """What the words make of texts, not calibrated; shape (n, k)."""
        (found,) = self.member.predict_proba([self.words.write(text) for text in texts]).values()
        return found

    def joined(self, scores: Probabilities, texts: Sequence[str]) -> Probabilities:
        """Both opinions as one, not calibrated; shape (n, k).

        Parameters
        ----------
        scores : of the head, one row per text
        """
        return join(scores, self.scores(texts), self.weight)

    def weighed(
        self, scores: Probabilities, texts: Sequence[str], truth: NDArray[np.int64]
    ) -> tuple[Self, float]:
        """The same with the weight that suits texts learned by neither, and the temperature."""
        weight, temperature = fit_join(scores, self.scores(texts), truth)
        return type(self)(self.lexicon, self.words, self.member, weight), temperature

    def save(self, folder: Path) -> None:
        """Write words.json and the files of a linear member."""
        self.member.save(folder)
        told = WordsFile(
            weight=self.weight, lexicon={k: tuple(words) for k, words in self.lexicon.items()}
        )
        text = told.model_dump_json(indent=1) + "\n"
        (folder / FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises BundleError where it is not what it should be."""
        try:
            told = WordsFile.model_validate(json.loads((folder / FILE).read_bytes()))
            words, member = ToneWords(told.lexicon), LinearMember.load(folder)
        except (OSError, ValueError, KeyError, TypeError, DataError, SafetensorError) as error:
            raise BundleError(f"{folder} reads no tone: {type(error).__name__}") from error
        return cls(told.lexicon, words, member, told.weight)


def join(head: Probabilities, words: Probabilities, weight: float) -> Probabilities:
    """Rows proportional to head * words ** weight: a logarithmic pool, shape (n, k).

    Genest and Zidek, "Combining probability distributions: a critique and an annotated
    bibliography", Statistical Science 1986.
    """
    logs = np.log(np.maximum(head, SMALLEST)) + weight * np.log(np.maximum(words, SMALLEST))
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))
    result: Probabilities = raised / raised.sum(axis=1, keepdims=True)
    return result


def fit_join(
    head: Probabilities, words: Probabilities, truth: NDArray[np.int64]
) -> tuple[float, float]:
    """Weight of the words and temperature of both together with the lowest log loss."""
    # Only who learns needs it; who serves saves the time and the memory of its import.
    from scipy.optimize import minimize

    def loss(point: NDArray[np.float64]) -> float:
        joined = join(head, words, float(point[0]))
        return log_loss(apply_temperature(joined, float(np.exp(point[1]))), truth)

    found = minimize(
        loss,
        x0=np.array([0.5, 0.0]),
        bounds=[(0.0, MOST_WEIGHT), (np.log(0.1), np.log(10.0))],
        method="L-BFGS-B",
    )
    return float(found.x[0]), float(np.exp(found.x[1]))
