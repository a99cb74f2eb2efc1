"""A file of tickets scored by the command that a person would type."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from evaluation.bench_records import BulkFigures
from serving.bench.processes import ROOT, BenchError, end, taken

LOOK_EVERY = 1.0
"""Seconds between two looks at its memory; each costs it some milliseconds."""


def score_file(bundle: Path, texts: Sequence[str], folder: Path) -> BulkFigures:
    """Seconds and memory of `python -m pipelines.score` on so many texts, loading included.

    It runs with the threads that its user would get; nothing limits it here.

    Raises
    ------
    BenchError
        If the command does not succeed.
    """
    source = folder / "tickets.jsonl"
    with source.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            file.write(json.dumps({"id": str(number), "text": text}) + "\n")
    command = [
        sys.executable, "-m", "pipelines.score", str(source), str(folder / "scored.jsonl"),
        "--id", "id", "--bundle", str(bundle),
    ]  # fmt: skip
    log = folder / "log.txt"
    peak, began = 0.0, time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the command above
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            while process.poll() is None:
                peak = max(peak, taken(process.pid).pss_mib)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_EVERY)
        finally:
            end(process)
    seconds = time.monotonic() - began
    if process.returncode != 0:
        raise BenchError(f"scoring ended with {process.returncode}; see {log}")
    return BulkFigures(rows=len(texts), seconds=round(seconds, 2), peak_mib=round(peak, 1))


def some_of(texts: Sequence[str], most: int | None, seed: int) -> list[str]:
    """So many texts drawn by seed, in their order; all where `most` is None or no fewer."""
    if most is None or most >= len(texts):
        return list(texts)
    rows = np.sort(np.random.default_rng(seed).choice(len(texts), most, replace=False))
    return [texts[row] for row in rows]
