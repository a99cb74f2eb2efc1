"""What it costs: seconds and memory of every stage, and the time one ticket takes."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from data.schema import Ticket

TICKETS = 60
WARM_UP = 5


class Predictor(Protocol):
    """Whatever answers tickets; a TicketAssistant is one."""

    def predict(self, tickets: Sequence[Ticket]) -> Sequence[Any]: ...


def read_costs(folder: Path, members: Sequence[str]) -> dict[str, dict[str, float]]:
    """`seconds` and `peak_mib` per stage, in the order of the pipeline; missing ones left out.

    Parameters
    ----------
    folder : holds a JSON record per stage, called as the stage is in dvc.yaml: `train@linear.json`
    members : whose training is told
    """
    costs: dict[str, dict[str, float]] = {"seconds": {}, "peak_mib": {}}
    trained = [f"train@{member}" for member in members]
    beside = ("memory", "cascade", "readers", "runtime", "tradeoffs")
    for stage in ("fetch", "prepare", "lessons", *trained, "ensemble", *beside):
        path = folder / f"{stage}.json"
        record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        for name, by_stage in costs.items():
            if isinstance(record.get(name), int | float):
                by_stage[stage] = round(float(record[name]), 1)
    return costs


def describe_machine() -> dict[str, str | int]:
    """Cores, and the widest instructions that matrices are multiplied with.

    Training takes half the time where a processor multiplies bfloat16, so a time without them
    says little.
    """
    import torch

    cpu, capability = torch.cpu, torch.backends.cpu.get_cpu_capability()
    if torch.cuda.is_available():
        capability = torch.cuda.get_device_name()
    elif cpu._is_amx_tile_supported():
        capability = "AMX"
    elif cpu._is_avx512_bf16_supported():
        capability = "AVX512-BF16"
    return {"cores": os.cpu_count() or 1, "instructions": capability}


def measure_latency(assistant: Predictor, texts: Sequence[str]) -> dict[str, float]:
    """Milliseconds for one ticket at a time on one thread, from text to decision.

    Parameters
    ----------
    texts : the first `TICKETS` are timed, after `WARM_UP` that are not

    Returns
    -------
    `p50_ms`, `p95_ms`, `tickets`, `threads`; empty without texts.
    """
    if not texts:
        return {}
    tickets = [Ticket(text=text) for text in texts[:TICKETS]]
    with one_thread():
        for ticket in tickets[:WARM_UP]:
            assistant.predict([ticket])
        taken = []
        for ticket in tickets:
            start = time.perf_counter()
            assistant.predict([ticket])
            taken.append(1000 * (time.perf_counter() - start))
    p50, p95 = np.percentile(taken, [50, 95])
    return {
        "p50_ms": round(float(p50), 2),
        "p95_ms": round(float(p95), 2),
        "tickets": len(tickets),
        "threads": 1,
    }


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch and BLAS back to one thread each; they get theirs back afterwards."""
    # Imported here: only these measurements need to hold their threads back.
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)
