"""Prepared tickets and sealed bundles for the gate: keywords that answer well, or worse."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from data.prepared import Prepared, write_prepared
from data.schema import Ticket
from models.assistant import TicketAssistant
from models.manifest import Manifest
from models.sealing import Origin, seal

WORDS = {"network": "the network is down", "printer": "no paper left"}


def make_prepared(test: int = 1200, **changes: Any) -> Prepared:
    """Half of the tickets name a network; 20 are train, the rest test; `changes` to the summary."""
    names = list(WORDS)
    labels = [names[row % 2] for row in range(20 + test)]
    frame = pd.DataFrame(
        {
            "id": [f"t-{row}" for row in range(len(labels))],
            "text": [f"{WORDS[label]} for the {row}th time" for row, label in enumerate(labels)],
            "language": "en",
            "created_at": None,
            "group": [f"g-{row}" for row in range(len(labels))],
            "split": ["train"] * 20 + ["test"] * test,
            "fold": -1,
            "near_train": False,
            "resolution": None,
            "category": labels,
        }
    )
    summary = {"dataset": "invented", "fallback": False, "ordered": [], "fingerprint": "0" * 64}
    return Prepared(frame, {"category": tuple(names)}, summary | changes)


def keep_prepared(folder: Path, prepared: Prepared) -> None:
    """Write the prepared data where the commands look for them."""
    write_prepared(folder / "data/prepared", prepared, "")


def seal_keywords(
    trained: Path,
    folder: Path,
    construct: Callable[[Path], TicketAssistant],
    answers: Mapping[str, list[float]],
    *,
    fingerprint: str = "0" * 64,
    fallback: bool = False,
    dataset: str = "invented",
) -> Manifest:
    """A sealed bundle whose keyword member answers so."""
    (trained / "linear/member.json").write_text(json.dumps(answers))
    origin = Origin(dataset, fallback, fingerprint, {"seed": 1}, {})
    return seal(
        trained, folder, origin,
        card="", reference={}, probes=[Ticket(text="network")], construct=construct,
    )  # fmt: skip
