"""In which precision torch multiplies: bfloat16 where the processor has it, or f32."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_exact: ContextVar[bool] = ContextVar("exact", default=False)
"""Whether `full_precision` is asked for."""


def has_bfloat16(device: str) -> bool:
    """Whether the processor multiplies bfloat16 matrices natively (AMX, AVX512-BF16 or a GPU)."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


@contextmanager
def reduced_precision(device: str) -> Iterator[None]:
    """Matrix products in bfloat16 where the processor has it; otherwise nothing changes."""
    import torch

    enabled = not _exact.get() and has_bfloat16(device)
    with torch.autocast(device, torch.bfloat16, enabled=enabled):
        yield


@contextmanager
def full_precision() -> Iterator[None]:
    """Let `reduced_precision` change nothing in this thread, whatever the processor has."""
    before = _exact.set(True)
    try:
        yield
    finally:
        _exact.reset(before)
