"""The nearest past tickets, with what became of them."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import save_file

from data.errors import BundleError, ModelError
from data.schema import Neighbour
from models.base import Labels
from models.mapped_tensors import map_tensor
from models.nearest_vectors import NearestVectors, unit_vectors
from models.terms import TERMS, TermIndex

VECTORS = "vectors.safetensors"
TICKETS = "tickets.json"

WORDS = 0.5
"""Part of the shared words in a similarity, that of the vectors being the rest.

On the 42 pairs of Hadoop's duplicates that the published test part does not hold, 0.25, 0.5 and
0.75 find the earlier report among the first 5 and 10 equally often but for one pair; the vectors
alone find 3 pairs fewer among the first 5. Figures: benchmark `gitbugs-duplicates` of the league.
"""


class _Tickets(BaseModel):
    """What stands beside the vectors, a column each, in the order of their rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    format: Literal[1] = 1
    ids: list[str]
    labels: dict[str, list[str | None]]
    resolutions: list[str | None]


class TicketIndex:
    """Past tickets by their vectors and words; every search finds the nearest of all of them.

    The similarity is the cosine of two vectors or, where texts are given, its mean with the cosine
    of their TF-IDF words, weighed by `WORDS`: the encoder knows synonyms, words know error codes.

    Vectors have length 1 and are kept in half precision: 29 MiB for 40,000 of 384. For a search
    with words all of those are compared with the query, in some 9 ms of one core, 14 with the
    words; without words `NearestVectors` compares a few. Rows stand in the order of their ids,
    whatever order they came in. No text is kept, only hashed words (see `TermIndex`); resolutions
    are, as they are given: mask them before.
    """

    def __init__(
        self, vectors: NDArray[np.float16], tickets: _Tickets, terms: TermIndex | None = None
    ) -> None:
        self._vectors = NearestVectors(vectors)
        self._tickets = tickets
        self._terms = terms

    @classmethod
    def build(
        cls,
        features: NDArray[np.float32],
        ids: Sequence[str],
        labels: Labels,
        resolutions: Sequence[str | None] | None = None,
        texts: Sequence[str] | None = None,
    ) -> Self:
        """Index of tickets whose vectors are known already.

        Parameters
        ----------
        features : shape (n, dimension), of any length but zero
        texts : what `data.text.model_text` made of the tickets; without them words do not count

        Raises
        ------
        ModelError
            If there is no ticket, an id stands there twice or is empty, a column is not of length
            n, or a vector is zero or not finite.
        """
        if not ids:
            raise ModelError("an index needs at least one ticket")
        vectors = unit_vectors(features)
        tickets = _Tickets(
            ids=list(ids),
            labels={target: list(column) for target, column in labels.items()},
            resolutions=list(resolutions or [None] * len(ids)),
        )
        terms = None if texts is None else TermIndex.build(texts)
        if fault := _fault(vectors, tickets, terms):
            raise ModelError(fault)
        order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
        return cls(vectors[order], _rows(tickets, order), terms and terms.rows(order))

    def __len__(self) -> int:
        return len(self._tickets.ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the tickets held, sorted."""
        return tuple(self._tickets.ids)

    @property
    def has_texts(self) -> bool:
        """Whether shared words can count."""
        return self._terms is not None

    @property
    def dimension(self) -> int:
        """Length of the vectors that can be searched with."""
        return int(self._vectors.vectors.shape[1])

    def search(
        self,
        features: NDArray[np.float32],
        k: int,
        *,
        texts: Sequence[str] | None = None,
        own: Sequence[str | None] | None = None,
        min_similarity: float = -1.0,
    ) -> list[tuple[Neighbour, ...]]:
        """The k nearest tickets of each row, the most similar first, equal ones by id.

        There are fewer where the index holds fewer, or where others are less similar than asked.

        Parameters
        ----------
        features : shape (m, dimension), from the same encoder as those of the index
        texts : of the same tickets, from `data.text.model_text`; without them words do not count
        own : id of each row's own ticket, which is not its own neighbour

        Raises
        ------
        ModelError
            If the vectors are of another dimension, zero or not finite, or texts are given to an
            index built without.
        ValueError
            If k is below 1, or `texts` or `own` are not of length m.
        """
        if k < 1:
            raise ValueError(f"{k} neighbours; at least 1 is needed")
        queries = unit_vectors(features)
        if queries.shape[1] != self.dimension:
            raise ModelError(
                f"vectors of dimension {queries.shape[1]}, the index holds {self.dimension}"
            )
        owners: Sequence[str | None] = [None] * len(queries) if own is None else own
        words = len(queries) if texts is None else len(texts)
        if not len(queries) == len(owners) == words:
            raise ValueError(
                f"{len(queries)} vectors, {words} texts and {len(owners)} ids of their own"
            )
        found = []
        nearest = self._nearest(queries, texts, k + (own is not None))
        for rows, owner in zip(nearest, owners, strict=True):
            neighbours = (self._neighbour(*one) for one in rows if one[1] >= min_similarity)
            found.append(tuple(one for one in neighbours if one.id != owner)[:k])
        return found

    def without(self, ids: Collection[str]) -> "TicketIndex":
        """The index without these tickets; ids it does not hold are passed over.

        Raises
        ------
        ModelError
            If no ticket would be left.
        """
        gone = set(ids)
        kept = [row for row, name in enumerate(self._tickets.ids) if name not in gone]
        if not kept:
            raise ModelError("no ticket would be left in the index: remove the index itself")
        rows = np.array(kept, dtype=np.int64)
        return TicketIndex(
            self._vectors.vectors[rows],
            _rows(self._tickets, rows),
            self._terms and self._terms.rows(rows),
        )

    def save(self, folder: Path) -> None:
        """Write vectors.safetensors, tickets.json and, with texts, terms.safetensors.

        The same tickets give the same bytes.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / VECTORS).unlink(missing_ok=True)  # they may be mapped from there
        save_file({"vectors": self._vectors.vectors}, folder / VECTORS)
        (folder / TICKETS).write_text(self._tickets.model_dump_json(), encoding="utf-8")
        (folder / TERMS).unlink(missing_ok=True)
        if self._terms is not None:
            self._terms.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        BundleError
            If a file is missing, cannot be read or does not fit the other.
        """
        try:
            vectors = map_tensor(folder / VECTORS, "vectors")
            tickets = _Tickets.model_validate_json((folder / TICKETS).read_bytes())
        except (OSError, KeyError, ValueError) as error:
            raise BundleError(f"{folder} holds no index: {type(error).__name__}") from error
        if vectors.dtype != np.float16 or vectors.ndim != 2 or not len(vectors):
            raise BundleError(f"{folder / VECTORS} holds {vectors.dtype} of shape {vectors.shape}")
        terms = TermIndex.load(folder) if (folder / TERMS).exists() else None
        if fault := _fault(vectors, tickets, terms):
            raise BundleError(f"{folder}: {fault}")
        if sorted(tickets.ids) != tickets.ids:
            raise BundleError(f"{folder / TICKETS} is not in the order of the ids")
        return cls(vectors, tickets, terms)

    def _nearest(
        self, queries: NDArray[np.float16], texts: Sequence[str] | None, k: int
    ) -> list[list[tuple[int, float]]]:
        """Rows and similarities of the k nearest of each, the nearest first, equal ones by row."""
        if texts is None:
            return self._vectors.nearest(queries, k)
        if self._terms is None:
            raise ModelError("the index was built without texts and cannot be asked with one")
        found = []
        for query, text in zip(queries, texts, strict=True):
            shared = self._terms.similarities([text])[0]
            mixed = (1 - WORDS) * self._vectors.cosines(query) + WORDS * shared
            found.append(_largest(mixed, k))
        return found

    def _neighbour(self, row: int, similarity: float) -> Neighbour:
        known = {t: label for t, column in self._tickets.labels.items() if (label := column[row])}
        return Neighbour(
            id=self._tickets.ids[row],
            similarity=similarity,
            labels=known,
            resolution=self._tickets.resolutions[row],
        )


def _largest(values: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
    """Positions and values of the k largest, equal ones in order, at the cut as elsewhere."""
    count = min(k, len(values))
    least = np.partition(values, len(values) - count)[len(values) - count]
    reaching = np.flatnonzero(values >= least)
    order = reaching[np.argsort(-values[reaching], kind="stable")][:count]
    return [(int(position), float(values[position])) for position in order]


def _rows(tickets: _Tickets, rows: NDArray[np.int64]) -> _Tickets:
    return _Tickets(
        ids=[tickets.ids[row] for row in rows],
        labels={t: [column[row] for row in rows] for t, column in tickets.labels.items()},
        resolutions=[tickets.resolutions[row] for row in rows],
    )


def _fault(vectors: NDArray[np.float16], tickets: _Tickets, terms: TermIndex | None) -> str | None:
    """Why vectors and columns are no index together; None where they are."""
    lengths = {
        "ids": len(tickets.ids),
        **{f"labels of {target}": len(column) for target, column in tickets.labels.items()},
        "resolutions": len(tickets.resolutions),
        "texts": len(vectors) if terms is None else len(terms),
    }
    for name, length in lengths.items():
        if length != len(vectors):
            return f"{length} {name} for {len(vectors)} vectors"
    if "" in tickets.ids:
        return f"the id in row {tickets.ids.index('')} is empty"
    name, times = Counter(tickets.ids).most_common(1)[0]
    if times > 1:
        return f"the id {name!r} stands there {times} times"
    if not np.isfinite(vectors).all():
        return "a vector is not finite"
    return None
