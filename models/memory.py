"""What an assistant remembers of the tickets it learned from: which they were, how they lie."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from data.errors import BundleError
from models.base import Labels
from models.novelty import NoveltyDetector
from models.similar import TicketIndex

FILE = "memory.json"


class MemoryParams(BaseModel):
    """What is remembered, and of what use it is; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    member: Literal["finetuned", "embedding"] = Field(
        default="finetuned",
        description="whose features tickets are known by; the other one's if it has no weight",
    )
    accepted: float = Field(
        default=0.99, gt=0, lt=1, description="share of known tickets that are not novel"
    )
    neighbours: int = Field(default=3, ge=0, le=50, description="told under each answer")


class Memory:
    """Novelty and likeness of tickets, both from the features of one member.

    Attributes
    ----------
    member : its name; only its features may be asked about
    """

    def __init__(self, params: MemoryParams, novelty: NoveltyDetector, index: TicketIndex) -> None:
        self.params = params
        self.member = params.member
        self.novelty = novelty
        self.index = index

    @classmethod
    def build(
        cls,
        params: MemoryParams,
        learned: NDArray[np.float32],
        held_out: NDArray[np.float32],
        ids: Sequence[str],
        labels: Labels,
        target: str,
        resolutions: Sequence[str | None],
        texts: Sequence[str] | None = None,
    ) -> Self:
        """Remember tickets by features of shape (n, dimension).

        Parameters
        ----------
        learned : features of the tickets the member was fitted on, in the order of ids and labels
        held_out : features of tickets it has not seen, which tell what is not novel
        target : whose classes the learned tickets lie around
        texts : of the learned tickets; with them shared words count when past tickets are asked for
        """
        names = sorted({label for label in labels[target] if label is not None})
        position = {name: i for i, name in enumerate(names)}
        classes = [-1 if name is None else position[name] for name in labels[target]]
        novelty = NoveltyDetector().fit(learned, classes)
        novelty.set_threshold(novelty.score(held_out), params.accepted)
        return cls(params, novelty, TicketIndex.build(learned, ids, labels, resolutions, texts))

    def save(self, folder: Path) -> None:
        """Write memory.json, novelty/ and similar/."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(self.params.model_dump_json(indent=1) + "\n", encoding="utf-8")
        self.novelty.save(folder / "novelty")
        self.index.save(folder / "similar")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises BundleError where a part is not what it should be."""
        try:
            params = MemoryParams.model_validate(json.loads((folder / FILE).read_bytes()))
        except (OSError, ValueError) as error:
            raise BundleError(f"{folder / FILE} is no memory: {type(error).__name__}") from error
        return cls(
            params, NoveltyDetector.load(folder / "novelty"), TicketIndex.load(folder / "similar")
        )
