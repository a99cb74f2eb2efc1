"""The training loop of the fine-tuned member: buckets, one cycle, early stopping, resume."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.base import Labels, Progress
from models.batching import (
    IGNORED,
    batches_by_length,
    bucketed_batches,
    encode_labels,
    pad_states,
    pad_tokens,
    tokenise,
)
from models.checkpoints import TrainingState, resume, save_checkpoint
from models.encoders import reduced_precision
from models.frozen_states import FrozenStates, pass_layers

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from models.finetuned import FinetunedParams

CHECKPOINT_SECONDS = 60.0
"""Least time between two checkpoints; one costs about half a second."""

Heads = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Inputs:
    """Texts as the network reads them, with the classes it is to find.

    `states`, where there are any, are those above the `frozen_layers`; `truth` has shape
    (n, n_targets).
    """

    tokens: list[list[int]]
    states: list[torch.Tensor] | None
    frozen_layers: int
    truth: torch.Tensor


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
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    frozen: FrozenStates | None = None,
) -> tuple[Heads, list[dict[str, float]]]:
    """Train the encoder in place and return its heads with the history of the looks at valid.

    The learning rate climbs linearly, then falls linearly to 0; the weights with the lowest loss
    on valid win. Dropout is drawn anew from the seed and the step, so that a run taken up from a
    checkpoint ends in the very weights of an uninterrupted one.

    Parameters
    ----------
    start : heads to begin with; drawn at random if None
    lessons : targets learned beside the others, from texts of their own
    frozen : keeps what the frozen layers make of each text, to be shared by several fits

    Returns
    -------
    heads : `<target's position>.weight`, shape (k, dimension), and `<position>.bias`, shape (k,)
    history : a record per look with step, train_loss and valid_loss
    """
    torch.manual_seed(seed)
    device = encoder.device
    heads = torch.nn.ModuleList(
        torch.nn.Linear(encoder.get_embedding_dimension() or 0, len(names))
        for names in targets.values()
    ).to(device)
    if start is not None:
        heads.load_state_dict({name: torch.from_numpy(value) for name, value in start.items()})
    _prepare_encoder(encoder, params)
    optimizer = _optimizer(encoder, heads, params)
    if params.frozen_layers:
        frozen = frozen or FrozenStates(params.frozen_layers)
    train = _inputs(encoder, targets, texts, labels, frozen, progress)
    held_out = _inputs(encoder, targets, *valid, frozen) if valid else None
    plan = [
        batch
        for epoch in range(params.epochs)
        for batch in bucketed_batches(train.tokens, params.batch_size, seed * 1000 + epoch)
    ]
    looks = _look_steps(len(plan), params)
    beside = [column for column, target in enumerate(targets) if target in lessons]
    modules = torch.nn.ModuleDict({"encoder": encoder[0].auto_model, "heads": heads})
    state = resume(checkpoint, modules, optimizer) if checkpoint else TrainingState()
    trained = [p for p in modules.parameters() if p.requires_grad]
    saved = time.monotonic()
    encoder.train()
    for step in range(state.step, len(plan)):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * one_cycle(step, len(plan), params.warmup)
        torch.manual_seed(seed * 1_000_003 + step)
        loss = _loss(encoder, heads, train, plan[step], params, beside)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, params.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state.step = step + 1
        state.running = 0.98 * state.running + 0.02 * loss.item() if step else loss.item()
        if progress and step % 10 == 0:
            progress((step + 1) / len(plan), f"loss {state.running:.3f}")
        if held_out and state.step in looks:
            if _look(state, encoder, heads, held_out, params, modules):
                break
            encoder.train()
        if checkpoint and time.monotonic() - saved > CHECKPOINT_SECONDS:
            save_checkpoint(checkpoint, state, modules, optimizer)
            saved = time.monotonic()
    if state.best is not None:
        modules.load_state_dict(state.best, strict=False)
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
    """Set the dropout and freeze the lowest layers, the embeddings below them included."""
    network = encoder[0].auto_model
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = params.dropout
    if params.frozen_layers:
        frozen = [network.embeddings, *network.encoder.layer[: params.frozen_layers]]
        for module in frozen:
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


def encode_frozen(
    encoder: "SentenceTransformer", texts: Sequence[str], frozen: FrozenStates
) -> NDArray[np.float32]:
    """Mean-pooled vectors, shape (n, dimension), by way of the kept states of the texts."""
    vectors = np.zeros((len(texts), encoder.get_embedding_dimension() or 0), dtype=np.float32)
    tokens = tokenise(encoder, texts)
    states = frozen.of(encoder, texts, tokens)
    inputs = Inputs(tokens, states, frozen.layers, torch.empty(len(texts), 0, dtype=torch.long))
    with torch.inference_mode():
        for rows in batches_by_length(inputs.tokens):
            vectors[rows] = _pooled(encoder, inputs, rows).cpu().numpy()
    return vectors


def _inputs(
    encoder: "SentenceTransformer",
    targets: dict[str, tuple[str, ...]],
    texts: Sequence[str],
    labels: Labels,
    frozen: FrozenStates | None,
    progress: Progress | None = None,
) -> Inputs:
    tokens = tokenise(encoder, texts)
    states = frozen.of(encoder, texts, tokens, progress) if frozen else None
    return Inputs(tokens, states, frozen.layers if frozen else 0, encode_labels(targets, labels))


def _pooled(
    encoder: "SentenceTransformer", inputs: Inputs, rows: NDArray[np.int64]
) -> torch.Tensor:
    """Mean-pooled vectors of some rows, shape (b, dimension)."""
    network, device = encoder[0].auto_model, encoder.device
    with reduced_precision(device.type):
        if inputs.states is None:
            ids, mask = pad_tokens([inputs.tokens[row] for row in rows], device)
            hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
        else:
            hidden, mask = pad_states(inputs.states, rows, device)
            hidden = pass_layers(
                network, hidden, mask, inputs.frozen_layers, len(network.encoder.layer)
            )
    weight = mask.unsqueeze(-1)
    pooled: torch.Tensor = (hidden.float() * weight).sum(1) / weight.sum(1)
    return pooled


def _loss(
    encoder: "SentenceTransformer",
    heads: torch.nn.ModuleList,
    inputs: Inputs,
    rows: NDArray[np.int64],
    params: "FinetunedParams | None" = None,
    lessons: Sequence[int] = (),
) -> torch.Tensor:
    """Mean cross entropy over the targets; a target without a label in the batch adds 0.

    Rows that teach a lesson and the others count by their shares of the batch, so that three of
    them among thirty tickets do not weigh as much as the thirty.

    Parameters
    ----------
    params : without them the plain loss, neither smoothed nor weighted
    lessons : columns of targets that are learned beside the others
    """
    pooled = _pooled(encoder, inputs, rows)
    wanted = inputs.truth[torch.from_numpy(rows)]
    known = wanted != IGNORED
    taught = float(known[:, list(lessons)].any(dim=1).float().mean())
    wanted = wanted.to(encoder.device)
    total = torch.zeros((), device=encoder.device)
    for column, head in enumerate(heads):
        if not bool(known[:, column].any()):
            continue
        loss = torch.nn.functional.cross_entropy(
            head(pooled),
            wanted[:, column],
            ignore_index=IGNORED,
            label_smoothing=params.label_smoothing if params else 0.0,
        )
        if column in lessons:
            total = total + loss * taught * (params.lesson_weight if params else 1.0)
        else:
            total = total + loss * (1 - taught) / (len(heads) - len(lessons))
    return total


def _look(
    state: TrainingState,
    encoder: "SentenceTransformer",
    heads: torch.nn.ModuleList,
    held_out: Inputs,
    params: "FinetunedParams",
    modules: torch.nn.Module,
) -> bool:
    """Note the loss on valid and keep the weights if it is the lowest; True: time to stop."""
    encoder.eval()
    total, weight = 0.0, 0
    with torch.inference_mode():
        for rows in batches_by_length(held_out.tokens):
            total += _loss(encoder, heads, held_out, rows).item() * len(rows)
            weight += len(rows)
    loss = total / max(1, weight)
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
