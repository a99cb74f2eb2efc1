"""Training in several processes, one per GPU: each takes a share of every batch.

Started by `accelerate launch -m pipelines.train finetuned`; a process started alone is the only
one, and accelerate is then not imported.
"""

import os
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from numpy.typing import NDArray


class OneProcess:
    """The only process there is: nothing is shared, nobody is waited for."""

    count = 1
    rank = 0

    def share(self, rows: NDArray[Any]) -> slice:
        """Which of a batch's rows are this process's."""
        return slice(self.rank, len(rows), self.count)

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give every process the sum of all processes' gradients."""

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of a value over the processes, the same in all of them."""
        return value

    def wait(self) -> None:
        """Return when all processes have come here."""


class SeveralProcesses(OneProcess):
    """One of several that `accelerate launch` started, each with its own GPU or on the CPU."""

    def __init__(self) -> None:
        from accelerate import Accelerator

        on_cpu = not torch.cuda.is_available()
        self._accelerator = Accelerator(cpu=on_cpu, mixed_precision="no")
        self.count = self._accelerator.num_processes
        self.rank = self._accelerator.process_index

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give every process the sum of all processes' gradients.

        A process whose share of a batch says nothing of a parameter adds 0; one that no process
        learned from stays without a gradient, as it does where there is one process.
        """
        learned = list(parameters)
        told = torch.tensor([float(p.grad is not None) for p in learned])
        own = [p.grad if p.grad is not None else torch.zeros_like(p) for p in learned]
        flat = torch.cat([*(g.reshape(-1) for g in own), told.to(own[0].device)])
        *parts, told = self._accelerator.reduce(flat, "sum").split(
            [*(p.numel() for p in learned), len(learned)]
        )
        for p, part, processes in zip(learned, parts, told.tolist(), strict=True):
            p.grad = part.view_as(p) if processes else None

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of a value over the processes, the same in all of them."""
        found: torch.Tensor = self._accelerator.reduce(value.clone(), "sum")
        return found

    def wait(self) -> None:
        """Return when all processes have come here."""
        self._accelerator.wait_for_everyone()


@cache
def open_processes() -> OneProcess:
    """The processes that train together, as the launcher's environment tells.

    Before an encoder is opened: it goes to this process's own GPU.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return SeveralProcesses() if several else OneProcess()


def is_first() -> bool:
    """Whether this process is the one that writes results."""
    return int(os.environ.get("RANK", "0")) == 0
