"""What the levels of an ordered target are read from, beside the members' answer."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from data.schema import Evidence
from models.base import Probabilities
from models.entities import EntityFinder
from models.evidence import EvidenceFinder

FAILURE = "failure"
"""An error code, an exception or an HTTP status."""

FAILURE_KINDS = frozenset({"error_code", "exception", "http_status"})


class LevelEvidence:
    """Phrases of impact and urgency, failures named, and what is believed of other targets.

    Parameters
    ----------
    lexicon : kind -> phrases, see `models.evidence`
    targets : other target -> its classes; their probabilities count as evidence

    Attributes
    ----------
    names : of the features, in column order
    """

    def __init__(
        self,
        lexicon: Mapping[str, Sequence[str]],
        targets: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._phrases = EvidenceFinder(lexicon)
        self._entities = EntityFinder()
        self._targets = dict(targets or {})
        # The last class of a target is what the others leave over.
        believed = [f"{t}={name}" for t, names in self._targets.items() for name in names[:-1]]
        self.names = (*self._phrases.kinds, FAILURE, *believed)

    def find(self, text: str) -> tuple[Evidence, ...]:
        """Pieces of evidence in the order of the text; `text[start:end]` is what was read."""
        failures = [
            Evidence(kind=FAILURE, start=found.start, end=found.end)
            for found in self._entities.find(text)
            if found.label in FAILURE_KINDS
        ]
        pieces = [*self._phrases.find(text), *failures]
        return tuple(sorted(pieces, key=lambda piece: (piece.start, piece.end, piece.kind)))

    def features(
        self, texts: Sequence[str], believed: Mapping[str, Probabilities]
    ) -> NDArray[np.float64]:
        """Shape (n, len(names)): log(1 + count) of each kind, then probabilities.

        Parameters
        ----------
        believed : target -> probabilities of shape (n, k), of the targets given at the start
        """
        column = {name: i for i, name in enumerate(self.names)}
        counts = np.zeros((len(texts), len(self._phrases.kinds) + 1))
        for row, text in enumerate(texts):
            for piece in self.find(text):
                counts[row, column[piece.kind]] += 1
        others = [believed[target][:, :-1] for target in self._targets]
        return np.hstack([np.log1p(counts), *others])
