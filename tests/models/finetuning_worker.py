"""A tiny fit in full precision, as one process of several or as the only one; see `fit`."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.finetuning_processes import is_first
from models.precision import full_precision

PARAMS = FinetunedParams(
    max_tokens=24,
    learned_tokens=8,
    epochs=1,
    evaluations=1,
    frozen_layers=4,
    batch_size=6,
    learning_rate=1e-3,
    weight_decay=0.1,
)

TEXTS = [
    f"{what} {where} {how}"
    for what in ("the printer jams", "the network is slow", "my salary is wrong")
    for where in ("on floor two", "in the office since the move to the new building by the river")
    for how in ("again", "please help before the end of the month", "x")
]


def fit(checkpoint: Path | None = None) -> tuple[np.ndarray, FinetunedMember]:
    """What the tuned encoder makes of the texts, shape (18, 384), and the member.

    A target is named for a few texts alone, a lesson for the last ones: shares of a batch differ.
    """
    topic = [text.split()[1] for text in TEXTS]
    labels = {
        "topic": [*topic[:13], *[None] * 5],
        "rare": ["yes", "no", *[None] * 16],
        "tone": [*[None] * 13, "good", "bad", "good", "bad", "good"],
    }
    member = FinetunedMember(PARAMS, seed=3)
    with full_precision():
        member.fit(
            TEXTS,
            labels,
            valid=(TEXTS[:4], {t: c[:4] for t, c in labels.items()}),
            lessons=("tone",),
            checkpoint=checkpoint,
        )
        return member.encode(TEXTS), member


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    vectors, member = fit(folder / "checkpoint")
    if is_first():
        heads = member._networks[0].heads
        np.savez(folder / "fitted.npz", vectors=vectors, **heads)  # type: ignore[arg-type]
        (folder / "history.json").write_text(json.dumps(member.history_), encoding="utf-8")


if __name__ == "__main__":
    main()
