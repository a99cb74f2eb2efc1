"""The training loop of the sentiment network, over states that are computed once."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.base import Progress
from models.batching import bucketed_batches, pad_states
from models.finetuning import one_cycle
from models.sentiment_network import SentimentNetwork, TowerParams


def train_network(
    network: SentimentNetwork,
    states: Sequence[torch.Tensor],
    truth: NDArray[np.int64],
    params: TowerParams,
    seed: int,
    progress: Progress | None = None,
) -> float:
    """Train in place over one cycle of the learning rate; gives the running loss at the end.

    Parameters
    ----------
    states : of each text, shape (length, dimension)
    truth : class positions, shape (n,)
    """
    torch.manual_seed(seed)
    rate = params.learning_rate
    optimizer = torch.optim.AdamW(
        [
            {"params": list(network.upper.parameters()), "lr": rate, "peak": rate},
            {
                "params": list(network.head.parameters()),
                "lr": rate * params.head_rate,
                "peak": rate * params.head_rate,
            },
        ],
        weight_decay=params.weight_decay,
        fused=True,
    )
    # Only the lengths of the rows are looked at.
    lengths = [range(len(one)) for one in states]
    plan = [
        rows
        for epoch in range(params.epochs)
        for rows in bucketed_batches(lengths, params.batch_size, seed * 1000 + epoch)
    ]
    device, running = network.head.weight.device, 0.0
    network.train()
    for step, rows in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * one_cycle(step, len(plan), params.warmup)
        hidden, mask = pad_states(states, rows, device)
        wanted = torch.from_numpy(truth[rows]).to(device)
        loss = torch.nn.functional.cross_entropy(
            network(hidden, mask), wanted, label_smoothing=params.label_smoothing
        )
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), params.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        running = 0.98 * running + 0.02 * loss.item() if step else loss.item()
        if progress and step % 10 == 0:
            progress((step + 1) / len(plan), f"loss {running:.3f}")
    network.eval()
    return running
