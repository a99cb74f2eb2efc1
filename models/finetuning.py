"""The training loop of the fine-tuned member: buckets, one cycle, early stopping, resume."""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.base import Labels, Progress
from models.batching import IGNORED, batches_by_length, bucketed_batches
from models.byte_dropout import ByteDraws, draw_bytes, is_attention
from models.checkpoints import TrainingState, resume, save_checkpoint
from models.easy_rows import rows_of_epoch, weights_of
from models.finetuning_inputs import Drawn, Inputs, Sampling, pooled, read_inputs
from models.finetuning_processes import OneProcess, open_processes
from models.frozen_states import FrozenStates
from models.used_words import UsedWords

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from models.finetuned_params import FinetunedParams

CHECKPOINT_SECONDS = 60.0
"""Least time between two checkpoints; one costs about half a second."""

Heads = dict[str, NDArray[np.float32]]


def finetune(
    encoder: "SentenceTransformer",
    targets: dict[str, tuple[str, ...]],
    texts: Sequence[str],
    labels: Labels,
    *,
    valid: tuple[Sequence[str], Labels] | None,
    params: "FinetunedParams",
    seed: int,
    start: Heads | None = None,
    lessons: Collection[str] = (),
    easy: NDArray[np.bool_] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    frozen: FrozenStates | None = None,
) -> tuple[Heads, list[dict[str, float]]]:
    """Train the encoder in place and return its heads with the history of the looks at valid.

    The learning rate climbs linearly, then falls linearly to 0; the weights with the lowest loss
    on valid win. Dropout and the tokens learned from are drawn anew from the seed and the step, so
    that a run taken up from a checkpoint ends in the very weights of an uninterrupted one. Of
    several processes each takes a share of every batch, and all end in the same weights.

    Parameters
    ----------
    start : heads to begin with; drawn at random if None
    lessons : targets learned beside the others, from texts of their own
    easy : texts that are learned in fewer epochs, see `models.easy_rows`, shape (n,)
    frozen : keeps what the frozen layers make of each text, to be shared by several fits

    Returns
    -------
    heads : `<target's position>.weight`, shape (k, dimension), and `<position>.bias`, shape (k,)
    history : a record per look with step, train_loss and valid_loss
    """
    torch.manual_seed(seed)
    processes, device = open_processes(), encoder.device
    heads = torch.nn.ModuleList(
        torch.nn.Linear(encoder.get_embedding_dimension() or 0, len(names))
        for names in targets.values()
    ).to(device)
    if start is not None:
        heads.load_state_dict({name: torch.from_numpy(value) for name, value in start.items()})
    _prepare_encoder(encoder, params)
    draws = ByteDraws()
    network = encoder[0].auto_model
    replaced = draw_bytes(network, draws) if device.type == "cpu" else []
    if params.frozen_layers:
        frozen = frozen or FrozenStates(params.frozen_layers)
    train = read_inputs(encoder, targets, texts, labels, frozen, progress)
    held_out = read_inputs(encoder, targets, *valid, frozen) if valid else None
    words = None
    if not (params.frozen_layers or params.frozen_embeddings):
        read = [train, held_out] if held_out else [train]
        words = UsedWords(network, [ids for inputs in read for ids in inputs.tokens])
        train = replace(train, tokens=words.of(train.tokens))
        held_out = replace(held_out, tokens=words.of(held_out.tokens)) if held_out else None
    optimizer = _optimizer(encoder, heads, params)
    sampling = Sampling(params.learned_tokens, seed) if params.learned_tokens else None
    learned = [ids[: sampling.most] for ids in train.tokens] if sampling else train.tokens
    easy = np.zeros(len(texts), dtype=bool) if easy is None else easy
    weights = torch.from_numpy(weights_of(easy))
    plan: list[NDArray[np.int64]] = []
    for epoch in range(params.epochs):
        rows = rows_of_epoch(easy, epoch, seed)
        read_now = [learned[row] for row in rows]
        batches = bucketed_batches(read_now, params.batch_size, seed * 1000 + epoch)
        plan += [rows[batch] for batch in batches]
    looks = _look_steps(len(plan), params)
    beside = [column for column, target in enumerate(targets) if target in lessons]
    modules = torch.nn.ModuleDict({"encoder": network, "heads": heads})
    state = resume(checkpoint, modules, optimizer) if checkpoint else TrainingState()
    processes.wait()  # all have read the checkpoint before the first process writes another
    trained = [p for p in modules.parameters() if p.requires_grad]
    saved = time.monotonic()
    encoder.train()
    for step in range(state.step, len(plan)):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * one_cycle(step, len(plan), params.warmup)
        torch.manual_seed(seed * 1_000_003 + step)
        draws.begin(seed, step)
        drawn = None
        if sampling:
            drawn = sampling.drawn([len(train.tokens[row]) for row in plan[step]], step)
        loss = _loss(encoder, heads, train, plan[step], params, beside, drawn, processes, weights)
        loss.backward()  # type: ignore[no-untyped-call]
        processes.sum_gradients(trained)
        whole = processes.total(loss.detach()).item()
        torch.nn.utils.clip_grad_norm_(trained, params.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state.step = step + 1
        state.running = 0.98 * state.running + 0.02 * whole if step else whole
        if progress and step % 10 == 0:
            progress((step + 1) / len(plan), f"loss {state.running:.3f}")
        if held_out and state.step in looks:
            if _look(state, encoder, heads, held_out, params, modules, processes):
                break
            encoder.train()
        due = time.monotonic() - saved > CHECKPOINT_SECONDS
        if checkpoint and due and processes.rank == 0:
            save_checkpoint(checkpoint, state, modules, optimizer)
            saved = time.monotonic()
    if state.best is not None:
        modules.load_state_dict(state.best, strict=False)
    if words:
        words.restore()
    for one in replaced:
        one.put_back()
    encoder.eval()
    if progress:
        progress(1.0, f"loss {state.running:.3f}")
    fitted = {
        f"{i}.{name}": value.detach().cpu().float().numpy().copy()
        for i, head in enumerate(heads)
        for name, value in head.named_parameters()
    }
    return fitted, state.history


def one_cycle(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate at a step: up over the warm-up, then down to 0."""
    rise = max(1, int(warmup * steps))
    return min((step + 1) / rise, (steps - step) / max(1, steps - rise))


def _prepare_encoder(encoder: "SentenceTransformer", params: "FinetunedParams") -> None:
    """Set the dropout and freeze the lowest layers, the embeddings below them included.

    Attention drops none of its weights: torch draws those masks for a tenth of a step.
    """
    network = encoder[0].auto_model
    for owner in network.modules():
        for module in owner.children():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0 if is_attention(owner) else params.dropout
    if params.frozen_layers or params.frozen_embeddings:
        for module in (network.embeddings, *network.encoder.layer[: params.frozen_layers]):
            module.requires_grad_(False)


def _optimizer(
    encoder: "SentenceTransformer", heads: torch.nn.Module, params: "FinetunedParams"
) -> torch.optim.AdamW:
    body = [p for p in encoder.parameters() if p.requires_grad]
    rate = params.learning_rate
    groups: list[dict[str, Any]] = [
        {"params": body, "lr": rate, "peak": rate},
        {
            "params": list(heads.parameters()),
            "lr": rate * params.head_rate,
            "peak": rate * params.head_rate,
        },
    ]
    return torch.optim.AdamW(groups, weight_decay=params.weight_decay, fused=True)


def _look_steps(steps: int, params: "FinetunedParams") -> set[int]:
    looks = params.epochs * params.evaluations
    return {round(steps * (i + 1) / looks) for i in range(looks)}


def _loss(
    encoder: "SentenceTransformer",
    heads: torch.nn.ModuleList,
    inputs: Inputs,
    rows: NDArray[np.int64],
    params: "FinetunedParams | None" = None,
    lessons: Sequence[int] = (),
    drawn: Drawn | None = None,
    processes: OneProcess | None = None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean cross entropy over the targets; a target without a label in the batch adds 0.

    Rows that teach a lesson and the others count by their shares of the batch, so that three of
    them among thirty tickets do not weigh as much as the thirty. Of several processes each gets
    what its rows add to the loss of the whole batch.

    Parameters
    ----------
    rows : of the whole batch
    params : without them the plain loss, neither smoothed nor weighted
    lessons : columns of targets that are learned beside the others
    drawn : see `pooled`, for the whole batch
    processes : that share the batch; None: it is this one's alone
    weights : of all rows of the inputs; None: each weighs as much
    """
    wanted = inputs.truth[torch.from_numpy(rows)]
    known = wanted != IGNORED
    weight = torch.ones(len(rows)) if weights is None else weights[torch.from_numpy(rows)]
    taught = float(weight[known[:, list(lessons)].any(dim=1)].sum() / weight.sum())
    own = processes.share(rows) if processes else slice(None)
    total = torch.zeros((), device=encoder.device)
    if not len(rows[own]):
        return total.requires_grad_()
    vectors = pooled(encoder, inputs, rows[own], drawn[own] if drawn is not None else None)
    wanted = wanted[own].to(encoder.device)
    for column, head in enumerate(heads):
        if not known[own, column].any():
            continue
        each = torch.nn.functional.cross_entropy(
            head(vectors),
            wanted[:, column],
            ignore_index=IGNORED,
            label_smoothing=params.label_smoothing if params else 0.0,
            reduction="none",  # 0 where the label is missing
        )
        loss = (each * weight[own].to(each.device)).sum() / weight[known[:, column]].sum()
        if column in lessons:
            total = total + loss * taught * (params.lesson_weight if params else 1.0)
        else:
            total = total + loss * (1 - taught) / (len(heads) - len(lessons))
    return total if total.requires_grad or not torch.is_grad_enabled() else total.requires_grad_()


def _look(
    state: TrainingState,
    encoder: "SentenceTransformer",
    heads: torch.nn.ModuleList,
    held_out: Inputs,
    params: "FinetunedParams",
    modules: torch.nn.Module,
    processes: OneProcess,
) -> bool:
    """Note the loss on valid and keep the weights if it is the lowest; True: time to stop."""
    encoder.eval()
    total, weight = 0.0, 0
    with torch.inference_mode():
        for rows in batches_by_length(held_out.tokens):
            total += _loss(encoder, heads, held_out, rows).item() * len(rows)
            weight += len(rows)
    mean = torch.tensor(total / max(1, weight), dtype=torch.float64)
    # Each has looked at all of valid; they agree on one figure, so that none stops before another.
    loss = (processes.total(mean.to(encoder.device)) / processes.count).item()
    state.history.append(
        {
            "step": state.step,
            "train_loss": round(state.running, 5),
            "valid_loss": round(loss, 5),
        }
    )
    if loss < state.best_loss:
        state.best_loss, state.since_best = loss, 0
        state.best = {
            name: value.detach().clone()
            for name, value in modules.named_parameters()
            if value.requires_grad
        }
        return False
    state.since_best += 1
    return state.since_best >= params.patience
