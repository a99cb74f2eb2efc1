"""Texts that teach little, because their label is clear: learned in fewer epochs, for as much.

Where a member that has not seen a text is already sure of its label, and right, a step towards it
is short. Such a text is left out of some epochs and weighs as much more in the others, so that the
mean of the loss over the epochs is what it was, and only its variance grows (importance sampling:
Katharopoulos and Fleuret, "Not all samples are created equal: deep learning with importance
sampling", ICML 2018).
"""

import numpy as np
from numpy.typing import NDArray

EVERY = 2
"""An easy text is learned in one of so many epochs."""


def rows_of_epoch(easy: NDArray[np.bool_], epoch: int, seed: int) -> NDArray[np.int64]:
    """Positions that are learned in an epoch, in order: all that are not easy, and their turn.

    Parameters
    ----------
    easy : shape (n,)
    """
    of_them = np.random.default_rng(seed).permutation(np.flatnonzero(easy))
    found: NDArray[np.int64] = np.sort(
        np.concatenate([np.flatnonzero(~easy), of_them[epoch % EVERY :: EVERY]])
    )
    return found


def weights_of(easy: NDArray[np.bool_]) -> NDArray[np.float32]:
    """What each text weighs when it is learned, shape (n,)."""
    return np.where(easy, np.float32(EVERY), np.float32(1))
