"""Upper bounds of the cosines of one vector with many: what is surely not among the nearest."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FIRST = 48
"""Directions looked at of all vectors."""

HEAD = 128
"""Directions looked at of those that the first ones leave."""

MANY = 0.3
"""Share of the vectors from which all are taken sooner than these are gathered.

With the published encoder's vectors 0.1, 0.3 and 0.5 took 0.52, 0.46 and 0.48 ms a query.
"""

AT_ONCE = 8
"""Vectors asked for in one product, which reads what is held once for all of them.

With 36,000 vectors held their bounds take 1.2 MB. A search took 8 to 24 % less time with 32 at
once, whose bounds take 4.6 MB.
"""

TOGETHER = 4
"""From so many on, one product takes less time than one for each; of two it takes more."""

_SAMPLE = 4096
_CHUNK = 4096

Floats = NDArray[np.float32]


class CosineBounds:
    """Upper bounds of the inner products of a vector with vectors held, some closer than others.

    A rotation leaves inner products as they are. In principal axes most of a product is the sum of
    its first terms, and what the others add is at most the product of the lengths of both rests
    (Cauchy and Schwarz). So whatever the axes, a bound holds up to the rounding of single
    precision, 1e-5 for vectors of length 1; good axes only make it tight. They are those of some
    4,000 rows taken at even distances. Bounds from `FIRST` terms cost a third of those from `HEAD`,
    and leave so few vectors that these then cost next to nothing.

    Takes 0.3 s of one core for 36,000 vectors of 384, and then holds 19 MB.

    Parameters
    ----------
    vectors : shape (n, dimension), finite, of length 1
    """

    def __init__(self, vectors: NDArray[np.float16]) -> None:
        sample = vectors[:: max(1, len(vectors) // _SAMPLE)].astype(np.float64)
        _, axes = np.linalg.eigh(sample.T @ sample)
        self._axes: Floats = np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)
        n, dimension = vectors.shape
        first, head = min(FIRST, dimension), min(HEAD, dimension)
        # A column of vectors in each row: BLAS then takes half the time.
        self._columns: Floats = np.empty((first + 1, n), dtype=np.float32)
        # Of these some rows are asked for.
        self._rows: Floats = np.empty((n, head - first + 1), dtype=np.float32)
        for start in range(0, n, _CHUNK):
            part = slice(start, start + _CHUNK)
            columns, rows = self._turned(vectors[part].astype(np.float32))
            self._columns[:, part], self._rows[part] = columns.T, rows

    def of(self, vectors: NDArray[np.float16]) -> Iterator["ProductBounds"]:
        """Bounds for each of some vectors, shape (m, dimension), in their order.

        The last bits of a bound depend on how many vectors are asked for together.
        """
        for start in range(0, len(vectors), AT_ONCE):
            firsts, thens = self._turned(vectors[start : start + AT_ONCE].astype(np.float32))
            if len(firsts) < TOGETHER:
                uppers = [first @ self._columns for first in firsts]
            else:
                uppers = list(firsts @ self._columns)
            for upper, first, then in zip(uppers, firsts, thens, strict=True):
                yield ProductBounds(upper, self._columns[-1], self._rows, first[-1], then)

    def _turned(self, vectors: Floats) -> tuple[Floats, Floats]:
        """In the new axes: the first coordinates and the length of all others, (n, first + 1), and
        those that follow with the length of what is left then, (n, head - first + 1).
        """
        turned = vectors @ self._axes
        first, head = min(FIRST, turned.shape[1]), min(HEAD, turned.shape[1])

        def cut(start: int, end: int) -> Floats:
            rest = np.linalg.norm(turned[:, end:], axis=1, keepdims=True)
            return np.hstack([turned[:, start:end], rest])

        return cut(0, first), cut(first, head)


class ProductBounds:
    """Bounds for one vector asked for.

    Attributes
    ----------
    upper : what the product with each vector held is at most, shape (n,)
    """

    def __init__(
        self, upper: Floats, rests: Floats, rows: Floats, rest: np.float32, then: Floats
    ) -> None:
        self.upper = upper
        self._rests, self._rows = rests, rows
        self._rest, self._then = rest, then

    def closer(self, rows: NDArray[np.int64]) -> Floats:
        """Tighter bounds of some vectors held, in the order of `rows`."""
        known = self.upper.take(rows) - self._rest * self._rests.take(rows)
        if len(rows) > MANY * len(self._rows):
            bounds: Floats = known + (self._rows @ self._then).take(rows)
        else:
            # Rows are taken in two thirds of the time that an index in brackets takes.
            bounds = known + self._rows.take(rows, axis=0) @ self._then
        return bounds
