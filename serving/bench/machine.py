"""The machine and the libraries of a benchmark, for whoever compares it with another."""

import os
import platform
from collections.abc import Iterable
from pathlib import Path

import psutil

from evaluation.bench_records import Machine
from models.content import libraries

MATTER = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Flags of a processor that change how fast matrices are multiplied, from narrow to wide."""

LIBRARIES = (
    "bentoml", "fastapi", "httptools", "numpy", "onnxruntime", "openvino", "pydantic",
    "scikit-learn", "sentence-transformers", "tokenizers", "torch", "transformers", "uvicorn",
)  # fmt: skip

CPUINFO = Path("/proc/cpuinfo")


def describe_machine(cpuinfo: Path = CPUINFO) -> Machine:
    """Processor, the cores this process may use, and memory."""
    told = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    flags = set(_field(told, "flags").split())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Machine(
        processor=_field(told, "model name") or platform.processor() or platform.machine(),
        cores=cores or 1,
        instructions=tuple(flag for flag in MATTER if flag in flags),
        memory_mib=psutil.virtual_memory().total // 2**20,
        system=f"{platform.system()} {platform.release()}",
    )


def _field(lines: Iterable[str], name: str) -> str:
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def library_versions() -> dict[str, str]:
    """Versions of what is measured and of what measures; missing ones left out."""
    return libraries(LIBRARIES)
