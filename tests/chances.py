"""What simulations may show by chance."""

import numpy as np


def within(share: float, alpha: float, runs: int) -> bool:
    """Whether a share of runs is no more than alpha, allowing three standard errors."""
    return share <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
