"""Dropout whose masks are drawn as bytes: on a processor a fraction of the time torch's take."""

from typing import NamedTuple

import numpy as np
import torch


class ByteDraws:
    """Where all dropouts of a network draw from."""

    def __init__(self) -> None:
        self._random = np.random.Generator(np.random.SFC64(0))

    def begin(self, *seeds: int) -> None:
        """Draw from here on what follows from these seeds alone."""
        self._random = np.random.Generator(np.random.SFC64(seeds))

    def bytes(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Numbers from 0 to 255, of this shape."""
        return torch.from_numpy(self._random.integers(0, 256, size=shape, dtype=np.uint8))


class ByteDropout(torch.nn.Module):
    """As `torch.nn.Dropout` on a processor; the rate is met to 1/256.

    Parameters
    ----------
    rate : above 0; one below 1/256 counts as that

    Raises
    ------
    ValueError
        If less than one in 256 would be kept.
    """

    def __init__(self, rate: float, draws: ByteDraws) -> None:
        super().__init__()
        self._least = max(1, round(rate * 256))
        if self._least > 255:
            raise ValueError(f"a dropout of {rate} keeps nothing; at most 255 of 256 are dropped")
        self._draws = draws

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return hidden
        kept = self._draws.bytes(tuple(hidden.shape)) >= self._least
        return hidden * (kept.to(hidden.dtype) * (256 / (256 - self._least)))


class Replaced(NamedTuple):
    """A dropout that stands no longer in its place."""

    owner: torch.nn.Module
    name: str
    module: torch.nn.Dropout

    def put_back(self) -> None:
        """Let it stand there again."""
        setattr(self.owner, self.name, self.module)


def draw_bytes(network: torch.nn.Module, draws: ByteDraws) -> list[Replaced]:
    """Replace each dropout but those of attention, of which only the rate is read."""
    found = [
        Replaced(owner, name, module)
        for owner in network.modules()
        if not is_attention(owner)
        for name, module in owner.named_children()
        if isinstance(module, torch.nn.Dropout) and module.p > 0
    ]
    for owner, name, module in found:
        setattr(owner, name, ByteDropout(module.p, draws).train(module.training))
    return found


def is_attention(module: torch.nn.Module) -> bool:
    """Whether it makes queries: its dropout is of the weights that attention gives."""
    return any(name == "query" for name, _ in module.named_children())
