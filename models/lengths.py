"""Texts of like length put together, so that little is computed for padding."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_PADDING = 1 / 8
"""Share of a batch that may be padding.

One thread gains a tenth to a quarter by passing 32 texts at once instead of one by one, so batches
that were padded by more would be slower than none.
"""


def batches_within(lengths: Sequence[int], most: int) -> list[NDArray[np.int64]]:
    """Batches of positions of like length, the shortest first.

    Parameters
    ----------
    lengths : tokens of each text, at least 1
    most : tokens of a batch, padded; a single text that is longer stands alone
    """
    order = np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable")
    batches: list[NDArray[np.int64]] = []
    start, filled = 0, 0
    for stop, position in enumerate(order):
        padded = lengths[position] * (stop - start + 1)
        padding = padded - filled - lengths[position]
        if stop > start and (padded > most or padding > MOST_PADDING * padded):
            batches.append(order[start:stop])
            start, filled = stop, 0
        filled += lengths[position]
    if len(order):
        batches.append(order[start:])
    return batches
