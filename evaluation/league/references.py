"""What others measured on the benchmarks of the league, with their sources."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import TypeAdapter

from evaluation.league.benchmark import Figure, Reference, Result

REFERENCES = Path(__file__).with_name("references.yaml")

References = dict[str, dict[str, dict[str, tuple[Reference, ...]]]]
"""Benchmark -> split -> metric -> what was published."""


def read_references(path: Path = REFERENCES) -> References:
    """The published figures; a malformed file is a pydantic.ValidationError naming the place."""
    return TypeAdapter(References).validate_python(yaml.safe_load(path.read_text("utf-8")) or {})


def as_results(
    benchmark: str, figures: Sequence[Figure], seconds: float, references: References
) -> list[Result]:
    """Figures with what others measured on the same split by the same metric."""
    known = references.get(benchmark, {})
    return [
        Result(
            **figure.model_dump(),
            benchmark=benchmark,
            seconds=round(seconds, 1),
            published=known.get(figure.split, {}).get(figure.metric, ()),
        )
        for figure in figures
    ]
