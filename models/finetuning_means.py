"""Weights between those of several fitted members, to go on training from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from models.finetuned import FinetunedMember


def mean_weights(members: Sequence["FinetunedMember"]) -> dict[str, "Tensor"]:
    """The mean of the encoders' weights, by name."""
    states = [n.model.state_dict() for member in members for n in member._networks]
    return {
        name: (sum(state[name] for state in states) / len(states)).to(first.dtype)
        for name, first in states[0].items()
    }


def mean_heads(
    members: Sequence["FinetunedMember"], targets: dict[str, tuple[str, ...]]
) -> dict[str, NDArray[np.float32]]:
    """Each class's row is the mean over the members that know the class; zeros if none does."""
    heads = {}
    for i, (target, names) in enumerate(targets.items()):
        for part in ("weight", "bias"):
            rows = [
                [
                    network.heads[f"{i}.{part}"][member.targets_[target].index(name)]
                    for member in members
                    if name in member.targets_[target]
                    for network in member._networks
                ]
                for name in names
            ]
            unknown = np.zeros_like(next(row[0] for row in rows if row))
            heads[f"{i}.{part}"] = np.array(
                [np.mean(row, axis=0) if row else unknown for row in rows], np.float32
            )
    return heads
