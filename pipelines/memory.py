"""Stage `memory`: what the tickets learned from look like, for novelty and likeness."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.prepared import Prepared, read_prepared
from models.assistant import MEMORY
from models.ensemble import read_ensemble
from models.memory import Memory, MemoryParams
from pipelines import run
from pipelines.cross_fitting import labels_of
from pipelines.params import read_params
from pipelines.train import FEATURES, PREPARED, RECORDS, TRAINED

logger = logging.getLogger(__name__)

NOVELTY = "novelty.npz"
"""Which rows are novel; those learned from never are."""


def remember(
    prepared: Prepared, params: MemoryParams, trained: Path
) -> tuple[Memory, NDArray[np.bool_]]:
    """The memory of the train tickets, and which of all others are novel, shape (n_rows,).

    Raises
    ------
    DataError
        If the member's train stage left no features of these tickets.
    """
    features, texts = read_features(trained / params.member, prepared), prepared.texts()
    learned, held_out = prepared.rows("train"), prepared.rows("calibration")

    def encode(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return features[rows]

    resolutions = prepared.frame["resolution"].iloc[learned]
    memory = Memory.build(
        params,
        encode(learned),
        encode(held_out),
        [str(name) for name in prepared.frame["id"].iloc[learned]],
        labels_of(prepared, learned),
        next(iter(prepared.targets)),
        [found if isinstance(found, str) else None for found in resolutions],
        [texts[row] for row in learned],
    )
    novel = np.zeros(len(prepared), dtype=bool)
    for split in ("valid", "calibration", "test"):
        rows = prepared.rows(split)
        if len(rows):
            novel[rows] = memory.novelty.is_novel(memory.novelty.score(encode(rows)))
    return memory, novel


def read_features(folder: Path, prepared: Prepared) -> NDArray[np.float32]:
    """Features of every ticket, shape (n_rows, dimension), as the train stage left them."""
    path = folder / FEATURES
    try:
        with np.load(path, allow_pickle=False) as stored:
            features: NDArray[np.float32] = stored["features"]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: {type(error).__name__}; train the member again") from error
    if len(features) != len(prepared):
        raise DataError(f"{path} speaks of {len(features)} tickets, there are {len(prepared)}")
    return features


def read_novel(folder: Path, prepared: Prepared) -> NDArray[np.bool_] | None:
    """Whether the memory takes each ticket for novel, shape (n_rows,); None without a memory.

    Raises
    ------
    DataError
        If it speaks of other tickets.
    """
    path = folder / NOVELTY
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        novel = np.asarray(stored["novel"], dtype=bool)
    if len(novel) != len(prepared):
        raise DataError(f"{path} speaks of other tickets: run the stage memory again")
    return novel


def choose_member(params: MemoryParams, known: Sequence[str]) -> MemoryParams | None:
    """The params with a member that carries weight: the one asked for, else the other.

    A bundle holds no member without weight, and a ticket is to be encoded once.
    """
    for name in (params.member, "finetuned", "embedding"):
        if name in known:
            return MemoryParams.model_validate({**params.model_dump(), "member": name})
    return None


def main() -> None:
    params = read_params()
    folder = TRAINED / MEMORY
    section = params.memory.model_dump(mode="json")
    with run.stage("memory", record=RECORDS / "memory.json", params=section) as tracked:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        prepared = read_prepared(PREPARED)
        chosen = choose_member(params.memory, read_ensemble(TRAINED / "ensemble").members)
        if chosen is None:
            logger.warning("no memory: no member with dense features carries weight")
            return
        memory, novel = remember(prepared, chosen, TRAINED)
        memory.save(folder)
        np.savez(folder / NOVELTY, novel=novel)
        found, known = int(novel.sum()), len(memory.index)
        tracked.log_metrics({"novel": found, "remembered": known})
        logger.info("%d tickets remembered; of the others %d are novel", known, found)


if __name__ == "__main__":
    main()
