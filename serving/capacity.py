"""How many workers this machine, or this container, has room for."""

from data.machine import usable_cores, usable_memory

WORKER_BYTES = 1 << 30
"""Of one worker with a full bundle, and room to load the next one beside it. Resident after its
first answers: 641 MiB (`bentoml serve`, a bundle of it-service-tickets, onnxruntime-int8)."""


def count_workers(worker_bytes: int = WORKER_BYTES) -> int:
    """One worker for each core that may be used, fewer where memory is short, one at least.

    Each computes with one thread, so more of them than cores would take turns.
    """
    return max(1, min(usable_cores(), usable_memory() // worker_bytes))
