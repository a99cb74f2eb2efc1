"""Benchmarks run one after the other, their figures kept as soon as each is done."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from data.catalog import CATALOG, read_catalog
from data.download import new_client
from evaluation.files import write_json
from evaluation.league.benchmark import Benchmark, Result
from evaluation.league.clinc import ClincIntents
from evaluation.league.duplicates import DuplicateReports
from evaluation.league.glossary import GlossaryAblation
from evaluation.league.languages import LanguageDetectors
from evaluation.league.learned_entities import EmergingEntities, StackOverflowEntities
from evaluation.league.priority import APACHE_PRIORITY, GITBUGS_PRIORITY, SEVERITY_SAMPLE
from evaluation.league.reading_costs import ReadingCosts
from evaluation.league.references import as_results, read_references
from evaluation.league.results import read_results
from evaluation.league.rule_entities import RuleEntities
from evaluation.league.sentiment import Sentiment
from evaluation.league.sources import fetch_sources
from evaluation.league.xsid import ZeroShotIntents

logger = logging.getLogger(__name__)

_ALL: tuple[Benchmark, ...] = (
    RuleEntities(),
    StackOverflowEntities(),
    EmergingEntities(),
    Sentiment(),
    SEVERITY_SAMPLE,
    GITBUGS_PRIORITY,
    APACHE_PRIORITY,
    ClincIntents(),
    LanguageDetectors(),
    ZeroShotIntents(),
    DuplicateReports(),
    GlossaryAblation(),
    ReadingCosts(),
)

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}


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
        kept = [result for result in read_results(path) if result.benchmark != name]
        merged = sorted([*kept, *results], key=lambda r: r.benchmark)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, [result.model_dump(mode="json") for result in merged])
        for result in results:
            logger.info("%s, %s: %s %.4f", name, result.split, result.metric, result.value)
    return read_results(path)
