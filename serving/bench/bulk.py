"""A file of tickets scored by the command that a person would type."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from data.schema import Detail
from evaluation.bench_records import BulkFigures
from models.runtime_choice import Precision
from serving.bench.processes import ROOT, BenchError, end, taken

LOOK_EVERY = 1.0
"""Seconds between two looks at its memory; each costs it some milliseconds."""


def score_file(
    bundle: Path,
    texts: Iterable[str],
    folder: Path,
    detail: Detail = "full",
    precision: Precision = "same",
) -> BulkFigures:
    """Seconds and memory of `python -m pipelines.score` on so many texts, loading included.

    It runs with the threads that its user would get; nothing limits it here.

    Raises
    ------
    BenchError
        If the command does not succeed.
    """
    source, rows = folder / "tickets.jsonl", 0
    with source.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts, start=1):
            file.write(json.dumps({"id": str(number), "text": text}) + "\n")
            rows = number
    command = [
        sys.executable, "-m", "pipelines.score", str(source), str(folder / "scored.jsonl"),
        "--id", "id", "--bundle", str(bundle), "--detail", detail, "--precision", precision,
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
    return BulkFigures(
        rows=rows,
        seconds=round(seconds, 2),
        peak_mib=round(peak, 1),
        detail=detail,
        precision=precision,
    )


def repeated(texts: Sequence[str], rows: int) -> Iterator[str]:
    """So many texts, over and over; each round they end in another number, so none comes twice."""
    for number in range(rows):
        rounds, place = divmod(number, len(texts))
        yield f"{texts[place]}\n{rounds}" if rounds else texts[place]


def some_of(texts: Sequence[str], most: int | None, seed: int) -> list[str]:
    """So many texts drawn by seed, in their order; all where `most` is None or no fewer."""
    if most is None or most >= len(texts):
        return list(texts)
    rows = np.sort(np.random.default_rng(seed).choice(len(texts), most, replace=False))
    return [texts[row] for row in rows]
