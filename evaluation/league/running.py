"""Benchmarks run one after the other, their figures kept as soon as each is done."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from data.catalog import CATALOG, read_catalog
from data.download import new_client
from evaluation.files import write_json
from evaluation.league.benchmark import Benchmark, Result
from evaluation.league.references import as_results, read_references
from evaluation.league.sources import fetch_sources

logger = logging.getLogger(__name__)

LEAGUE = Path("evaluation/reports/league.json")

_ALL: tuple[Benchmark, ...] = ()

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}


def read_league(path: Path = LEAGUE) -> list[Result]:
    """The figures kept by the last runs; none where there was no run."""
    if not path.is_file():
        return []
    return TypeAdapter(list[Result]).validate_json(path.read_bytes())


def run_league(
    benchmarks: Mapping[str, Benchmark], root: Path, path: Path, *, small: bool = False
) -> list[Result]:
    """Run benchmarks one after the other and merge their figures into `path`.

    Raises
    ------
    FetchError
        If the files of one cannot be had; the figures of those before it are kept.
    """
    catalog, references = read_catalog(root / CATALOG), read_references()
    for number, (name, benchmark) in enumerate(benchmarks.items(), start=1):
        logger.info("%s, %d of %d", name, number, len(benchmarks))
        with new_client() as client:
            folders = fetch_sources(benchmark.datasets, catalog, root, client)
        began = time.perf_counter()
        figures = benchmark.run(folders, small=small)
        results = as_results(name, figures, time.perf_counter() - began, references)
        kept = [result for result in read_league(path) if result.benchmark != name]
        merged = sorted([*kept, *results], key=lambda r: r.benchmark)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, [result.model_dump(mode="json") for result in merged])
        for result in results:
            logger.info("%s, %s: %s %.4f", name, result.split, result.metric, result.value)
    return read_league(path)
