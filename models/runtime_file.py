"""What runtime.json says: the runtimes tried, how near to torch they are, which may serve."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints, ValidationError

from data.errors import BundleError
from data.schema import NonEmpty, Record
from models.content import RUNTIME
from models.runtime import RUNTIMES, TORCH, Runtime

FOLDER = RUNTIME

FILE = "runtime.json"

Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class TargetParity(Record):
    """How the answers about one target differ from torch's.

    A decision has changed when another label is told, or the same label goes to a person instead
    of being routed, or the other way round.
    """

    labels_changed: Share
    decisions_changed: Share
    largest_change: float = Field(ge=0, description="of a probability")


class Parity(Record):
    """How the answers of a runtime differ from those of torch in f32, on the same tickets."""

    tickets: int = Field(ge=1)
    cosine_min: float | None = Field(description="of the vectors that past tickets are known by")
    cosine_mean: float | None
    targets: dict[str, TargetParity]
    tones_changed: Share = Field(description="share of tickets told another tone")
    entities_changed: Share = Field(description="share of tickets told other entities")

    @property
    def decisions_changed(self) -> float:
        """Share of tickets whose decision changed, of the target where most did."""
        return max((found.decisions_changed for found in self.targets.values()), default=0.0)


class Examined(Record):
    """A runtime that was tried on tickets."""

    engine: NonEmpty
    precision: NonEmpty
    shipped: bool
    reason: str | None = Field(description="why it is not shipped")
    parity: Parity


class RuntimeFile(Record):
    """The whole of runtime.json; `torch` tells how torch itself differs where it uses bfloat16."""

    graphs: dict[str, NonEmpty] = Field(
        description="network that was exported -> folder of its tokenizer"
    )
    sources: dict[str, Sha256] = Field(description="files they were exported from, and sha256")
    decision_budget: Share
    entity_budget: Share
    torch: Parity | None = Field(description="as it trains here, against itself in f32")
    runtimes: dict[str, Examined]

    @property
    def shipped(self) -> list[Runtime]:
        """Runtimes that may serve, the most exact first; those unknown here are left out."""
        return [
            runtime
            for name, runtime in RUNTIMES.items()
            if name in self.runtimes and self.runtimes[name].shipped
        ]

    @property
    def facts(self) -> dict[str, dict[str, JsonValue]]:
        """What a manifest says: of each runtime, and of torch, its parity and whether it serves."""
        told = {name: one.model_dump(mode="json") for name, one in self.runtimes.items()}
        if self.torch is not None:
            told[TORCH] = {"shipped": True, "parity": self.torch.model_dump(mode="json")}
        return told


def graph_file(part: str, runtime: Runtime) -> str:
    """Name of the file with the graph of a part that a runtime reads."""
    return f"{part}.{runtime.graph}.onnx"


def table_file(graph: Path) -> Path:
    """The file with the large weights of a graph."""
    return graph.with_suffix(".safetensors")


def write_runtime_file(told: RuntimeFile, folder: Path) -> None:
    """Write runtime.json."""
    text = json.dumps(told.model_dump(mode="json"), indent=1)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def find_runtime_file(parts: Path) -> RuntimeFile | None:
    """What runtime.json says in a folder of parts; None where nothing was exported.

    Raises
    ------
    BundleError
        If the file is damaged.
    """
    path = parts / FOLDER / FILE
    if not path.is_file():
        return None
    try:
        return RuntimeFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BundleError(f"{path} names no runtimes: {type(error).__name__}") from error


def check_sources(told: RuntimeFile, digests: Mapping[str, str]) -> None:
    """Refuse graphs of other networks than those that lie beside them.

    Parameters
    ----------
    digests : relative path -> sha256, of the folder of parts

    Raises
    ------
    BundleError
        Naming a file that was exported and is gone or has changed.
    """
    for name, exported in told.sources.items():
        if digests.get(name) != exported:
            raise BundleError(
                f"the graphs in {FOLDER} were exported from another {name}: run the stage runtime"
            )
