"""What a benchmark of the league is, and what it gives."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import Field, field_validator

from data.schema import NonEmpty, Record
from data.text import prepare_text

SHARED_TEXTS = "shared_texts"
"""Metric of the leak check: test texts that occur in train as well, told in every league table."""


class Figure(Record):
    """One number measured on one split."""

    split: NonEmpty = Field(description="which rows, in the words of whoever published them")
    metric: NonEmpty
    value: float
    ci: tuple[float, float] | None = Field(default=None, description="95 % interval")
    n: int = Field(ge=0, description="rows (or spans, or pairs) it was measured on")

    @field_validator("value")
    @classmethod
    def _is_a_number(cls, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError(f"{value} is no figure; leave out what cannot be measured")
        return value


class Reference(Record):
    """What somebody else measured."""

    system: NonEmpty
    value: float
    source: NonEmpty


class Result(Figure):
    """A figure with the benchmark it belongs to and what others published beside it."""

    benchmark: NonEmpty
    seconds: float = Field(ge=0, description="of the whole benchmark, training included")
    published: tuple[Reference, ...] = ()


class Benchmark(Protocol):
    """A task on public data, from the raw files to figures."""

    name: str
    datasets: tuple[str, ...]
    """Entries of data/catalog.yaml whose files `run` reads."""

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Train where there is something to train, and measure on the published test rows.

        Nothing (a threshold, a number of epochs) may be chosen on the test rows.

        Parameters
        ----------
        folders : data set -> folder with its files, verified
        small : seconds instead of minutes, to see that it works; its figures mean nothing
        """
        ...


def shared_texts(train: Iterable[str], test: Sequence[str], split: str = "test") -> Figure:
    """How many test texts stand in train too, case and blanks aside."""
    known = {_key(text) for text in train}
    return Figure(
        split=split,
        metric=SHARED_TEXTS,
        value=float(sum(_key(text) in known for text in test)),
        n=len(test),
    )


def _key(text: str) -> str:
    return " ".join(prepare_text(text).lower().split())
