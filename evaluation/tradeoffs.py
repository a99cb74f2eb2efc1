"""What each way to answer is worth and takes: accuracy and automation against milliseconds."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from data.errors import DataError
from data.schema import NonEmpty, Record

FILE = "tradeoffs.json"

Share = Annotated[float, Field(ge=0, le=1)]


class Design(Record):
    """Some members answering together, their networks computed by one runtime."""

    target: NonEmpty
    members: tuple[NonEmpty, ...] = Field(min_length=1)
    runtime: NonEmpty
    accuracy: Share
    certified_automation: Share
    automatic_accuracy: Share | None = Field(description="null where nothing is routed")
    milliseconds: float = Field(gt=0, description="one ticket alone, one thread, members only")
    shipped: bool = Field(description="whether these members carry weight in the bundle")
    best: bool = Field(default=False, description="whether none is as accurate in less time")

    @property
    def name(self) -> str:
        """As it is told in a legend."""
        return " + ".join(self.members)


def subsets(members: Sequence[str]) -> list[tuple[str, ...]]:
    """Every way to choose at least one of the members, small ones first."""
    return [chosen for size in range(1, len(members) + 1) for chosen in combinations(members, size)]


def mark_best(designs: Sequence[Design]) -> list[Design]:
    """The designs with `best` set, of each target by itself: those on its Pareto front."""
    return [
        design.model_copy(update={"best": not any(_beats(other, design) for other in designs)})
        for design in designs
    ]


def _beats(other: Design, design: Design) -> bool:
    """At least as good in both, and better in one."""
    ours, theirs = ((-found.accuracy, found.milliseconds) for found in (design, other))
    return (
        other.target == design.target
        and theirs != ours
        and all(b <= a for a, b in zip(ours, theirs, strict=True))
    )


def write_designs(designs: Sequence[Design], path: Path) -> None:
    """Write the designs as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = json.dumps([design.model_dump(mode="json") for design in designs], indent=1)
    path.write_text(told + "\n", encoding="utf-8")


def read_designs(path: Path) -> list[Design]:
    """What `write_designs` wrote; none where there is no such file.

    Raises
    ------
    DataError
        If the file is not what that function writes.
    """
    if not path.is_file():
        return []
    try:
        return TypeAdapter(list[Design]).validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path} holds no designs: run the stage tradeoffs") from error
