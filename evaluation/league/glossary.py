"""Whether spelling out jargon and acronyms helps the linear member: an ablation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.catalog import CATALOG, Dataset, read_catalog
from data.duplicates import copy_keys
from data.glossary import Glossary, learn_glossary, read_glossary
from data.published import published_parts
from data.records import read_records
from data.split import assign_folds
from data.tables import read_rows
from data.text import model_text
from evaluation.comparison import paired_bootstrap
from evaluation.intervals import Counts, draw_counts, percentile_interval
from evaluation.league.benchmark import SHARED_TEXTS, Figure, shared_texts
from evaluation.metrics import Outcomes, measure, measure_once
from models.base import Probabilities, align_columns
from models.linear import LinearMember

SAMPLE = "sample"
SERVICE = "it-service-tickets"
TARGET = "category"
METRICS = ("accuracy", "macro_f1")

TRAIN_ROWS = 10_000
"""Train rows of the service tickets that are learned from, spread evenly, to save time."""

_FOLDS = 5
_SMALL = 200
_DRAWS = 1_000
_SEED = 20261123
_MAX_CHARACTERS = 50_000


@dataclass(frozen=True)
class Rows:
    """Texts with the category of each; `published` is its part in a published split, if any."""

    texts: list[str]
    labels: list[str]
    groups: list[str]
    published: list[str | None]

    def take(self, rows: NDArray[np.int64]) -> "Rows":
        """Some of the rows."""
        return Rows(*([column[i] for i in rows] for column in self._columns()))

    def _columns(self) -> tuple[list[str], list[str], list[str], list[str | None]]:
        return self.texts, self.labels, self.groups, self.published


class GlossaryAblation:
    """The linear member with and without expansion, and the difference, on the same test rows.

    The glossary is the one that is shipped, and what the train texts define themselves. Service
    tickets: the published split `luna`, fitted on `TRAIN_ROWS` rows of the rest; they come without
    punctuation and capitals, so that they define nothing themselves. The sample: folds over all.
    """

    name = "glossary"
    datasets: tuple[str, ...] = (SERVICE, SAMPLE)

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Figures with and without, paired differences, and how much is expanded at all."""
        catalog = read_catalog(Path(__file__).parents[2] / CATALOG)
        most = (_SMALL, _SMALL) if small else (TRAIN_ROWS, None)
        service = read_categories(folders[SERVICE], catalog[SERVICE], *most)
        test = np.flatnonzero([part == "test" for part in service.published])
        train = np.setdiff1d(np.arange(len(service.texts)), test)
        figures = ablate(f"luna test, {len(train):,} train rows", service, [(train, test)])
        sample = read_categories(folders[SAMPLE], catalog[SAMPLE], _SMALL if small else None)
        everything = ["train"] * len(sample.texts)
        folds = assign_folds(
            sample.groups, sample.labels, everything, 2 if small else _FOLDS, _SEED
        )
        parts = [
            (np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
            for fold in np.unique(folds)
        ]
        return [*figures, *ablate(f"sample, {len(parts)} folds", sample, parts)]


def read_categories(
    folder: Path, dataset: Dataset, train: int | None = None, test: int | None = None
) -> Rows:
    """The tickets of a fetched data set with their categories; copies are of one group.

    Parameters
    ----------
    train, test : tickets kept at most, outside a published test split and inside, spread evenly
    """
    read = [row for name in dataset.tables for row in read_rows(folder / name, dataset)]
    split = dataset.find_split("default")
    parts = published_parts(read, dataset, split, folder) if split else [None] * len(read)
    part_of = dict(zip(((row.file, row.number) for row in read), parts, strict=True))
    raw, _ = read_records(read, dataset, (TARGET,), _MAX_CHARACTERS)
    is_test = np.array([part_of[ticket.row.file, ticket.row.number] == "test" for ticket in raw])
    kept = [_spread(np.flatnonzero(~is_test), train), _spread(np.flatnonzero(is_test), test)]
    raw = [raw[i] for i in np.concatenate(kept)]
    texts = [model_text(ticket.text) for ticket in raw]
    keys = copy_keys(texts)
    return Rows(
        texts=texts,
        labels=[ticket.labels[TARGET] or "" for ticket in raw],
        groups=[ticket.group or key for ticket, key in zip(raw, keys, strict=True)],
        published=[part_of[ticket.row.file, ticket.row.number] for ticket in raw],
    )


def _spread(rows: NDArray[np.int64], limit: int | None) -> NDArray[np.int64]:
    if limit is None or len(rows) <= limit:
        return rows
    return rows[np.arange(limit) * len(rows) // limit]


def ablate(
    name: str, rows: Rows, parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> list[Figure]:
    """Figures over the test rows of all parts together.

    Parameters
    ----------
    parts : train rows and test rows; no row is tested twice
    """
    tested = np.concatenate([test for _, test in parts])
    classes = sorted(set(rows.labels))
    truth = np.array([classes.index(rows.labels[i]) for i in tested])
    counts = draw_counts([rows.groups[i] for i in tested], _DRAWS, 0)
    shipped = read_glossary()
    found: dict[str, list[Probabilities]] = {"without": [], "with": []}
    learned, expanded = 0, 0
    for train, test in parts:
        known, asked = rows.take(train), rows.take(test)
        own = learn_glossary(known.texts)
        both = Glossary([*shipped.entries, *own.entries])
        learned += len(own)
        expanded += sum(bool(both.find(text)) for text in asked.texts)
        found["without"].append(_answer(known, asked, classes, str))
        found["with"].append(_answer(known, asked, classes, both.expand))
    outcomes = {how: Outcomes(truth, np.vstack(answers)) for how, answers in found.items()}
    figures = [
        figure
        for how, one in outcomes.items()
        for figure in _figures(f"{name}, {how} expansion", one, counts)
    ]
    for metric in METRICS:
        gain = paired_bootstrap(outcomes["with"], outcomes["without"], counts, metric)
        figures.append(
            Figure(
                split=f"{name}, with less without expansion",
                metric=metric,
                value=gain.difference,
                ci=(gain.low, gain.high),
                n=len(tested),
            )
        )
    shared = sum(
        shared_texts((rows.texts[i] for i in train), [rows.texts[i] for i in test]).value
        for train, test in parts
    )
    facts = {
        "expanded texts": expanded / len(tested),
        "learned definitions": learned / len(parts),
        SHARED_TEXTS: shared,
    }
    return [
        *figures,
        *(Figure(split=name, metric=m, value=v, n=len(tested)) for m, v in facts.items()),
    ]


def _answer(
    known: Rows, asked: Rows, classes: Sequence[str], prepare: Callable[[str], str]
) -> Probabilities:
    member = LinearMember().fit([*map(prepare, known.texts)], {TARGET: known.labels})
    found = member.predict_proba([*map(prepare, asked.texts)])[TARGET]
    return align_columns(found, member.targets_[TARGET], classes)


def _figures(split: str, outcomes: Outcomes, counts: Counts) -> list[Figure]:
    values, draws = measure_once(outcomes), measure(outcomes, counts)
    figures = []
    for metric in METRICS:
        interval = percentile_interval(draws[metric])
        ci = (interval[0], interval[1]) if interval else None
        figures.append(
            Figure(split=split, metric=metric, value=values[metric], ci=ci, n=len(outcomes))
        )
    return figures
