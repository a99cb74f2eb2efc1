"""Scores a file on a Ray cluster: the same answers, from as many machines as there are.

Each worker opens the bundle, the input and the output under the names they have here, so that all
machines need a file system in common, with the same environment and this checkout on it. What is
sent to a worker is the number of a part, and what comes back is how many rows it had.

Every worker reads through the input on its own, which takes 8 µs a row of a CSV, where an answer
takes milliseconds. For hundreds of workers, divide the input into files.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.data import ActorPoolStrategy
from ray.exceptions import RayError

from data.errors import DataError, ModelError, TicketAssistantError
from data.row_streams import RowSource
from data.schema import Detail
from models.manifest import read_manifest
from pipelines.progress import counted
from pipelines.ray_cluster import cluster
from pipelines.score_checkpoint import alone
from pipelines.score_parts import (
    Parts,
    PartWriter,
    check_output,
    complete,
    count_rows,
    prepare,
)
from pipelines.scored_rows import TicketColumns, output_columns
from pipelines.scoring import Done, Loader, settings_of


def score_on_ray(
    source: RowSource,
    output: Path,
    bundle: Path,
    columns: TicketColumns,
    batch: int,
    detail: Detail = "full",
    *,
    loaded: Loader,
    workers: int | None = None,
    address: str | None = None,
) -> Done:
    """Write the parts of `output`, a folder, that are not there yet.

    Parameters
    ----------
    bundle : its folder; every worker opens it by `loaded`, which is found there by its name
    workers : assistants that answer beside each other; as many as the cluster has processors
    address : of a cluster; by default that of RAY_ADDRESS, else one is started here and ended

    Raises
    ------
    DataError
        If the source cannot be read or lacks a column, or the output is none or another run's.
    ModelError
        If the cluster cannot be reached or gave up on a part. Parts that are whole are kept.
    """
    began = time.monotonic()
    check_output(source.path, output)
    source.require(tuple(columns.named.values()))
    manifest = read_manifest(bundle)
    written = output_columns(tuple(manifest.targets), detail)
    survey = source.survey()
    everywhere = RowSource(source.path.resolve(), source.encoding, source.separator)
    parts = Parts(everywhere, output.resolve(), columns, written, batch)
    made_of = {
        "input": survey.sha256,
        "bundle": manifest.version,
        "settings": settings_of(source, columns, written),
        "batch": str(batch),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    with alone(output):
        missing = prepare(parts, made_of, survey.rows)
        there = sorted(set(parts.numbers(survey.rows)) - set(missing))
        resumed, errors = _total(count_rows(parts.path(number)) for number in there)
        done = resumed
        if missing:
            job = (parts, bundle.resolve(), manifest.version, detail, loaded)
            with counted("score", survey.rows, resumed) as advance, cluster(address, workers):
                for rows, wrong in _answer(missing, job, workers):
                    done, errors = done + rows, errors + wrong
                    advance(rows)
        if done != survey.rows:
            raise DataError(
                f"{source.path.name} has {survey.rows:,} rows here and had {done:,} for the workers"
            )
        complete(parts, survey.rows)
    return Done(survey.rows, errors, resumed, time.monotonic() - began)


class _Worker:
    """What Ray makes one of per process: an assistant that writes the parts it is given."""

    def __init__(
        self, parts: Parts, bundle: Path, version: str, detail: Detail, loaded: Loader
    ) -> None:
        self._parts, self._detail, self._version = parts, detail, version
        self._bundle, self._loaded = bundle, loaded
        self._writer: PartWriter | None = None

    def __call__(self, batch: Mapping[str, Sequence[int]]) -> dict[str, list[Any]]:
        (number,) = batch["item"]
        rows, errors, failure = self._write(int(number))
        return {"rows": [rows], "errors": [errors], "failure": [failure]}

    def _write(self, number: int) -> tuple[int, int, str]:
        """Rows, those in error, and why there is no part; Ray would print a failure whole."""
        try:
            self._writer = self._writer or self._open()
            return (*self._writer.write(number), "")
        except TicketAssistantError as error:
            return 0, 0, str(error)
        except Exception as error:  # noqa: BLE001 - its text may be that of a ticket
            return 0, 0, type(error).__name__

    def _open(self) -> PartWriter:
        assistant = self._loaded(self._bundle)
        if assistant.version != self._version:
            raise ModelError(f"{self._bundle} holds {assistant.version} there")
        ask = assistant.predict if self._detail == "full" else assistant.decide
        return PartWriter(self._parts, ask)


def _answer(
    missing: Sequence[int], job: tuple[Any, ...], workers: int | None
) -> Iterator[tuple[int, int]]:
    """Rows of each part as it is written, and how many of them are in error."""
    several = min(len(missing), workers or max(1, int(ray.cluster_resources().get("CPU", 1))))
    answered = ray.data.from_items(list(missing), override_num_blocks=len(missing)).map_batches(
        _Worker,
        batch_size=1,
        fn_constructor_args=job,
        compute=ActorPoolStrategy(size=several),
        num_cpus=1,
    )
    try:
        for told in answered.iter_rows():
            if told["failure"]:
                raise ModelError(
                    f"a part failed: {told['failure']}; the same command does what is missing"
                )
            yield int(told["rows"]), int(told["errors"])
    except RayError as error:
        raise ModelError(
            f"the cluster gave up ({type(error).__name__}), its logs say why; the same command "
            "does what is missing"
        ) from None


def _total(told: Iterator[tuple[int, int]]) -> tuple[int, int]:
    rows = errors = 0
    for more, wrong in told:
        rows, errors = rows + more, errors + wrong
    return rows, errors
