"""Command: what training costs as the tickets become more.

python -m pipelines.growth                            # 5,000, 10,000, 20,000 and all
python -m pipelines.growth 5000 10000 --members linear

Each member is trained on parts of the prepared tickets, drawn with the seed of params.yaml, and by
its section there: the folds, the final fit, and the answers for every ticket. Each training is a
process of its own, so that its memory is its own, and nothing is taken from a cache. The outcome
lies in evaluation/reports/growth.json after each; sizes that stand there are measured again.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from data.durable import write_text
from data.errors import DataError
from data.machine import usable_cores
from data.prepared import Prepared, read_prepared
from data.split import SPLITS
from evaluation.costs import describe_machine
from evaluation.growth import GROWTH, Grown, Growth
from models.assistant import MEMBERS
from models.sentiment import TARGET as TONE
from pipelines import run, train_finetuned
from pipelines.lessons import LESSONS, read_lessons
from pipelines.params import read_params
from pipelines.train import PREPARED, train

logger = logging.getLogger(__name__)

SIZES = (5_000, 10_000, 20_000)
"""Measured beside all tickets where none are named."""

CHILD = "TICKETS_GROWTH_MEMBER"
"""Set in the process that trains one member, which tells what it took as its last line."""


def part_of(prepared: Prepared, tickets: int, seed: int) -> Prepared:
    """So many tickets drawn at random; the others are set aside, as `prepare.max_train` does.

    Raises
    ------
    DataError
        If there are fewer.
    """
    rows = prepared.rows(*SPLITS)
    if tickets > len(rows):
        raise DataError(f"{tickets:,} tickets are asked for, {len(rows):,} are prepared")
    left = np.random.default_rng(seed).permutation(rows)[tickets:]
    frame = prepared.frame.copy()
    frame.loc[frame.index[left], "split"] = "unused"
    frame.loc[frame.index[left], "fold"] = -1
    return Prepared(frame, prepared.targets, prepared.summary)


def measure_here(member: str, tickets: int) -> Grown:
    """Train the member in this process."""
    params = read_params()
    run.begin(params.seed)
    part = part_of(read_prepared(PREPARED), tickets, params.seed)
    lessons = read_lessons(LESSONS) if TONE not in part.targets else None
    with TemporaryDirectory() as checkpoints:
        train_finetuned.CHECKPOINTS = Path(checkpoints)
        began = time.perf_counter()
        train(member, part, params, keep=lambda features: None, lessons=lessons)
        seconds = time.perf_counter() - began
    return Grown(
        member=member,
        tickets=tickets,
        train=len(part.rows("train")),
        seconds=round(seconds, 2),
        peak_mib=round(run.peak_mib(), 1),
    )


def measure_apart(member: str, tickets: int) -> Grown:
    """Train the member in a process of its own.

    Raises
    ------
    DataError
        If it ends with an error; what it said was shown.
    """
    command = [sys.executable, "-m", "pipelines.growth", str(tickets)]
    done = subprocess.run(  # noqa: S603 - the command above
        command, env={**os.environ, CHILD: member}, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise DataError(f"{member} on {tickets:,} tickets was not trained, see above")
    return Grown.model_validate_json(done.stdout.splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, metavar="TICKETS")
    parser.add_argument("--members", nargs="+", choices=sorted(MEMBERS), default=list(MEMBERS))
    asked = parser.parse_args(arguments)
    if member := os.environ.get(CHILD):
        sys.stdout.write(measure_here(member, asked.sizes[0]).model_dump_json() + "\n")
        return
    run.begin()
    prepared = read_prepared(PREPARED)
    whole = len(prepared.rows(*SPLITS))
    sizes = asked.sizes or [*(size for size in SIZES if size < whole), whole]
    if too_many := [size for size in sizes if not 0 < size <= whole]:
        parser.error(f"{too_many[0]:,} tickets are asked for, {whole:,} are prepared")
    machine, points = describe_machine(), []
    for size in sorted(sizes):
        for name in asked.members:
            points.append(measure_apart(name, size))
            logger.info(
                "%s on %s tickets: %.1f s, %.0f MiB",
                name, f"{size:,}", points[-1].seconds, points[-1].peak_mib,
            )  # fmt: skip
            growth = Growth(
                dataset=str(prepared.summary["dataset"]),
                cores=usable_cores(),
                instructions=str(machine["instructions"]),
                points=tuple(points),
            )
            write_text(GROWTH, json.dumps(growth.model_dump(mode="json"), indent=1) + "\n")


if __name__ == "__main__":
    main()
