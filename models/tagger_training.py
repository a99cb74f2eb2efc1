"""The training loop of the tagger: one cycle over windows whose lower states are computed once."""

from collections.abc import Sequence

import torch

from models.base import Progress
from models.byte_dropout import ByteDraws, draw_bytes
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
    draws = ByteDraws()
    draws.begin(seed)
    replaced = draw_bytes(network, draws)
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
    for one in replaced:
        one.put_back()
    network.eval()
    return running
