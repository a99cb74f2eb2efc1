"""Which of some new texts are near-duplicates of known ones, exactly and without an index to keep.

`data.duplicates` finds pairs within one large set by hashing; here a few thousand texts are
compared with all that are known, so the shingles of the few are looked up in those of the many.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from data.duplicates import Groups


def find_near(
    known: Iterable[NDArray[np.uint64]], new: Sequence[NDArray[np.uint64]], threshold: float
) -> list[list[int]]:
    """For each new text the positions of known ones whose shingles overlap by so much.

    Parameters
    ----------
    known, new : from `data.duplicates.shingle_sets`, of one width
    threshold : least Jaccard index, in (0, 1]
    """
    found: list[list[int]] = [[] for _ in new]
    if not new:
        return found
    sizes = np.array([len(own) for own in new])
    owner = np.repeat(np.arange(len(new)), sizes)
    flat = np.concatenate(new)
    order = np.argsort(flat, kind="stable")
    flat, owner = flat[order], owner[order]
    for position, own in enumerate(known):
        first = np.searchsorted(flat, own, side="left")
        last = np.searchsorted(flat, own, side="right")
        counts = last - first
        if not counts.any():
            continue
        starts = np.repeat(first - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
        hits = owner[starts + np.arange(counts.sum())]
        common = np.bincount(hits, minlength=len(new))
        near = common >= threshold * (sizes + len(own) - common)
        for row in np.flatnonzero(near & (common > 0)):
            found[row].append(position)
    return found


def group_near(new: Sequence[NDArray[np.uint64]], threshold: float) -> Groups:
    """Sets of new texts that are near-duplicates of each other."""
    groups = Groups(len(new))
    for row, others in enumerate(find_near(new, new, threshold)):
        for other in others:
            groups.join(row, other)
    return groups
