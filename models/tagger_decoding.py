"""Sequences of BIO tags: which are allowed, and which is the best."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FORBIDDEN = -1e4
"""Score of a step that BIO does not allow: an `I-` that continues nothing of its label."""


class Steps(NamedTuple):
    """Scores of steps from tag to tag (from, to), of the first and of the last tag."""

    steps: NDArray[np.float32]
    first: NDArray[np.float32]
    last: NDArray[np.float32]


def forbidden_steps(tags: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """FORBIDDEN where BIO does not allow a step (from, to) or a first tag, else 0."""
    steps = np.zeros((len(tags), len(tags)), dtype=np.float32)
    first = np.zeros(len(tags), dtype=np.float32)
    for to, tag in enumerate(tags):
        if tag.startswith("I-"):
            first[to] = FORBIDDEN
            for start, before in enumerate(tags):
                if before[2:] != tag[2:]:
                    steps[start, to] = FORBIDDEN
    return steps, first


def best_tags(
    emissions: NDArray[np.float32],
    steps: NDArray[np.float32],
    first: NDArray[np.float32],
    last: NDArray[np.float32],
) -> list[int]:
    """The sequence with the highest score, by the algorithm of Viterbi.

    Parameters
    ----------
    emissions : shape (length, n_tags), length at least 1
    """
    into = np.ascontiguousarray(steps.T)  # (to, from): the best is looked for along a row
    every = np.arange(len(first))
    score = first + emissions[0]
    back = np.zeros(emissions.shape, dtype=np.int64)
    for position in range(1, len(emissions)):
        reached = into + score
        best = reached.argmax(axis=1)
        back[position] = best
        score = reached[every, best] + emissions[position]
    path = [int((score + last).argmax())]
    for position in range(len(emissions) - 1, 0, -1):
        path.append(int(back[position, path[-1]]))
    return path[::-1]
