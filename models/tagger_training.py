"""The training loop of the tagger: one cycle over windows whose lower states are computed once."""

from collections.abc import Sequence

import numpy as np
import torch

from models.base import Progress
from models.finetuning import one_cycle
from models.tagger_batches import make_batch
from models.tagger_features import Lexicon
from models.tagger_network import TaggerNetwork, TaggerParams
from models.tagger_windows import Window, batches_of


def train_network(
    network: TaggerNetwork,
    windows: Sequence[Window],
    lexicon: Lexicon,
    params: TaggerParams,
    seed: int,
    progress: Progress | None = None,
) -> float:
    """Train in place; gives the running loss per word at the end.

    The likelihood of the whole sequence is raised, so that the steps from tag to tag are learned
    with the rest.
    """
    torch.manual_seed(seed)
    upper = list(network.upper.parameters())
    inside = {id(parameter) for parameter in upper}
    others = [p for p in network.parameters() if id(p) not in inside]
    rate = params.learning_rate
    optimizer = torch.optim.AdamW(
        [
            {"params": upper, "lr": rate, "peak": rate},
            {"params": others, "lr": rate, "peak": rate * params.head_rate},
        ],
        weight_decay=params.weight_decay,
        fused=True,
    )
    plan = [
        rows
        for epoch in range(params.epochs)
        for rows in batches_of(windows, params.batch_pieces, seed * 1000 + epoch)
    ]
    running = 0.0
    network.train()
    replaced = _draw_faster(network, seed)
    for step, rows in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * one_cycle(step, len(plan), params.warmup)
        batch = make_batch([windows[row] for row in rows], lexicon)
        emissions = network(batch).float()
        losses = network.chain.loss(emissions, batch.tags, batch.words)
        loss = losses.sum() / batch.words.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), params.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        running = 0.98 * running + 0.02 * loss.item() if step else loss.item()
        if progress and step % 10 == 0:
            progress((step + 1) / len(plan), f"loss {running:.3f}")
    for owner, name, module in replaced:
        setattr(owner, name, module)
    network.eval()
    return running


class _Dropout(torch.nn.Module):
    """As torch.nn.Dropout, with masks drawn as bytes, which takes a fraction of torch's time.

    The rate is met to 1/256.
    """

    def __init__(self, rate: float, random: np.random.Generator) -> None:
        super().__init__()
        self._least = round(rate * 256)
        self._random = random

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        drawn = self._random.integers(0, 256, size=hidden.shape, dtype=np.uint8)
        kept = torch.from_numpy(drawn) >= self._least
        return hidden * (kept.to(hidden.dtype) * (256 / (256 - self._least)))


def _draw_faster(
    network: TaggerNetwork, seed: int
) -> list[tuple[torch.nn.Module, str, torch.nn.Dropout]]:
    """Replace each dropout but those of attention, of which only the rate is read.

    Gives owner, name and former module of each.
    """
    random = np.random.Generator(np.random.SFC64(seed))
    found = [
        (owner, name, module)
        for owner in network.modules()
        if not any(key == "query" for key, _ in owner.named_children())
        for name, module in owner.named_children()
        if isinstance(module, torch.nn.Dropout) and module.p > 0
    ]
    for owner, name, module in found:
        setattr(owner, name, _Dropout(module.p, random))
    return found
