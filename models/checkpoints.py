"""Checkpoints of a training run: what an interrupted fit goes on from."""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


class TrainingState:
    """How far a run has come; what a checkpoint keeps beside the weights."""

    def __init__(self) -> None:
        self.step = 0
        self.running = 0.0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] | None = None
        self.best_loss = math.inf
        self.since_best = 0


def save_checkpoint(
    folder: Path,
    state: TrainingState,
    modules: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write weights, moments and progress; the small JSON last, by rename: all or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"now.{n}": p.detach().clone() for n, p in modules.named_parameters() if p.requires_grad
    }
    tensors |= {f"best.{name}": value.clone() for name, value in (state.best or {}).items()}
    moments = optimizer.state_dict()["state"]
    for index, values in moments.items():
        tensors |= {f"moment.{index}.{name}": value.clone() for name, value in values.items()}
    name = f"step-{state.step}.safetensors"
    save_file(tensors, folder / name)
    facts = {k: v for k, v in vars(state).items() if k != "best"} | {"tensors": name}
    facts["best_loss"] = None if math.isinf(state.best_loss) else state.best_loss
    partial = folder / "state.json.part"
    partial.write_text(json.dumps(facts), encoding="utf-8")
    partial.replace(folder / "state.json")
    for old in folder.glob("step-*.safetensors"):
        if old.name != name:
            old.unlink()


def resume(
    folder: Path, modules: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> TrainingState:
    """Put weights and moments back; say how far the run had come, 0 where it had not begun."""
    state = TrainingState()
    if not (folder / "state.json").exists():
        return state
    facts = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / facts.pop("tensors"))
    best_loss = facts.pop("best_loss")
    vars(state).update(facts)
    state.best_loss = math.inf if best_loss is None else best_loss
    now = {k.removeprefix("now."): v for k, v in tensors.items() if k.startswith("now.")}
    best = {k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")}
    state.best = best or None
    modules.load_state_dict(now, strict=False)
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("moment."):
            _, index, name = key.split(".", 2)
            moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(
        {"state": moments, "param_groups": optimizer.state_dict()["param_groups"]}
    )
    return state
