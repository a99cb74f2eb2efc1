"""A benchmark that nobody ran."""

from typing import Any

from evaluation.bench_records import BenchReport, Machine, PointFigures, Texts


def make_point(system: str = "ours", workers: int = 1, **facts: Any) -> PointFigures:
    return PointFigures.model_validate(
        {
            "system": system,
            "workers": workers,
            "clients": None,
            "rate": None,
            "repeated": False,
            "seconds": 10.0,
            "answers": 1000,
            "failures": {},
            "requests_per_second": 100.0,
            "p50_ms": 8.0,
            "p95_ms": 9.0,
            "p99_ms": 12.0,
            "max_ms": 20.0,
            "pss_mib": 400.0,
            "worker_mib": 300.0,
            "server_cpu_ms": 9.5,
            "generator_cpu_ms": 0.1,
            "measured_at": "2026-11-26T12:00:00+00:00",
            **facts,
        }
    )


def make_report(**facts: Any) -> BenchReport:
    known = {
        "profile": "quick",
        "machine": Machine(
            processor="Invented 3000", cores=2, instructions=("avx2", "avx512_vnni"),
            memory_mib=8000, system="Linux 6",
        ),
        "bundle": "sample-0a1b2c3d",
        "texts": Texts(
            dataset="sample", split="test", tickets=100, characters_p50=180, characters_p90=600,
            characters_max=7000,
        ),
        "libraries": {"python": "3.11.2", "bentoml": "1.4.39"},
        "generator": "asyncio",
        "seed": 1,
    }  # fmt: skip
    return BenchReport(**{**known, **facts})
