"""The sample tickets, a tiny encoder and small fitted members: what many tests start from."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

os.environ.update(
    {
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "DVC_NO_ANALYTICS": "1",
    }
)

import pytest

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Tickets:
    """Parallel sequences of the sample, English first so that slices of it are balanced enough."""

    texts: list[str]
    labels: dict[str, list[str | None]]


def read_sample() -> list[dict[str, str]]:
    lines = (ROOT / "data/sample/tickets.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny models run slower on two busy cores than on one."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sample() -> list[dict[str, str]]:
    return read_sample()


@pytest.fixture(scope="session")
def tickets(sample: list[dict[str, str]]) -> Tickets:
    """120 sample tickets with category and severity; every seventh severity is missing."""
    rows = sample[:120]
    return Tickets(
        texts=[row["text"] for row in rows],
        labels={
            "category": [row["category"] for row in rows],
            "severity": [None if i % 7 == 0 else row["severity"] for i, row in enumerate(rows)],
        },
    )
