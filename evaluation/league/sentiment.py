"""Sentiment of Stack Overflow posts: the published split of Senti4SD, and five folds of it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

from data.catalog import Dataset, read_catalog
from data.errors import DataError
from data.tables import read_rows
from data.text import model_text
from evaluation.intervals import draw_counts, measure_with_intervals
from evaluation.league.benchmark import SHARED_TEXTS, Figure, shared_texts
from evaluation.metrics import Outcomes
from models.base import Probabilities
from models.calibration import apply_temperature, fit_temperature
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.sentiment import SENTIMENTS, TARGET, fit_tone, name_pictures, positions, tones

FOLDS = 5
METRICS = ("accuracy", "macro_f1", "ece")
SHIPPED = FinetunedParams(
    layers=3,
    frozen_layers=0,
    epochs=4,
    learning_rate=2e-4,
    dropout=0.1,
    max_tokens=128,
    learned_tokens=None,
)
"""As in a bundle, whose member keeps three layers; on posts alone."""

ALL_LAYERS = SHIPPED.model_copy(update={"layers": None, "learning_rate": 1e-4})
"""What the layers that are taken away would add is told by a member that keeps them all."""

SMALL_PARAMS = FinetunedParams(frozen_layers=5, epochs=1, max_tokens=32)
HELD_OUT = 0.1
"""Share of the posts learned from that the temperature is fitted on."""

SMALL = 150
"""Posts of each file in a small run."""

_DRAWS, _SEED = 1000, 0


@dataclass(frozen=True)
class Posts:
    """Texts as every model reads them, and the sentiment of each."""

    texts: list[str]
    labels: list[str]

    def __add__(self, other: "Posts") -> "Posts":
        return Posts(self.texts + other.texts, self.labels + other.labels)

    def first(self, n: int) -> "Posts":
        """The first posts only."""
        return Posts(self.texts[:n], self.labels[:n])

    def take(self, rows: Sequence[int]) -> "Posts":
        """Some of the posts, in the order asked for."""
        return Posts([self.texts[i] for i in rows], [self.labels[i] for i in rows])


class Sentiment:
    """Accuracy and macro F1 on the published test file, and pooled over five folds of both files.

    Measured of a fine-tuned member that learns from the posts alone, with as many layers as in a
    bundle and with all, and of what words and signs add to it. What a bundle reads has learned
    tickets in the same pass; its figures stand in its manifest and in the report.

    The folds are stratified and drawn by us; those of others are other draws of the same posts.
    A post that stands in the data several times is kept, as others kept it.
    """

    name = "senti4sd"
    datasets: tuple[str, ...] = ("senti4sd",)

    def __init__(self, params: FinetunedParams | None = None) -> None:
        self.params = params or SHIPPED

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Figures on the published test file and on five folds."""
        dataset = read_catalog()[self.name]
        train, test = (read_posts(folders[self.name], dataset, part) for part in dataset.read)
        params, all_layers = (SMALL_PARAMS, SMALL_PARAMS) if small else (self.params, ALL_LAYERS)
        if small:
            train, test = train.first(SMALL), test.first(SMALL)
        alone, joined = answer(train, test, params)
        _, of_all = answer(train, test, all_layers)
        everything = train + test
        folds_alone, folds_joined, shared = answer_folds(everything, params)
        return [
            *measure_posts(test, joined, "published test"),
            *measure_posts(test, alone, "published test, without words"),
            *measure_posts(test, of_all, "published test, all layers"),
            shared_texts(train.texts, test.texts, "published test"),
            *measure_posts(everything, folds_joined, "five-fold"),
            *measure_posts(everything, folds_alone, "five-fold, without words"),
            Figure(split="five-fold", metric=SHARED_TEXTS, value=shared, n=len(everything.texts)),
        ]


def answer(
    known: Posts, asked: Posts, params: FinetunedParams
) -> tuple[Probabilities, Probabilities]:
    """Calibrated answers of a member that learned from some posts, alone and with the words.

    Two arrays of shape (n, 3).
    """
    taught, held_out = part_off(known, HELD_OUT, _SEED)
    member = FinetunedMember(params, seed=_SEED)
    member.fit([name_pictures(text) for text in taught.texts], {TARGET: taught.labels})
    unseen = held_out.texts, held_out.labels
    words, together = fit_tone(member, (taught.texts, taught.labels), unseen)
    scores = tones(member, asked.texts)
    alone = fit_temperature(tones(member, held_out.texts), positions(held_out.labels))
    joined = words.joined(scores, [name_pictures(text) for text in asked.texts])
    return apply_temperature(scores, alone), apply_temperature(joined, together)


def part_off(posts: Posts, share: float, seed: int) -> tuple[Posts, Posts]:
    """The posts without a share of them, and that share, each sentiment alike in both.

    Raises
    ------
    DataError
        If a sentiment is too rare for that.
    """
    counted = {label: posts.labels.count(label) for label in SENTIMENTS}
    if rare := [label for label, n in counted.items() if n * share < 1]:
        raise DataError(f"too few {rare[0]} texts to set {share:.0%} of them aside")
    known, unseen = train_test_split(
        range(len(posts.texts)), test_size=share, stratify=posts.labels, random_state=seed
    )
    return posts.take(known), posts.take(unseen)


def read_posts(folder: Path, dataset: Dataset, name: str) -> Posts:
    """The posts of one file.

    Raises
    ------
    DataError
        If a record cannot be read or its polarity is none of the three.
    """
    direct = folder / name
    path = direct if direct.is_file() else next(iter(sorted(folder.rglob(name))), direct)
    posts = Posts([], [])
    for row in read_rows(path, dataset):
        label = str(row.values.get("polarity"))
        if row.fault or label not in SENTIMENTS:
            raise DataError(f"{name}: record {row.number}: {row.fault or 'unknown polarity'}")
        posts.texts.append(model_text(str(row.values["text"])))
        posts.labels.append(label)
    return posts


def answer_folds(posts: Posts, params: FinetunedParams) -> tuple[Probabilities, Probabilities, int]:
    """Answers of members fitted on the other folds, and how many posts stand there too.

    As in `answer`: without and with the words, each of shape (n, 3).
    """
    alone, shared = np.zeros((len(posts.texts), len(SENTIMENTS))), 0
    joined = alone.copy()
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=_SEED)
    for others, fold in folds.split(posts.texts, posts.labels):
        known, asked = posts.take(others.tolist()), posts.take(fold.tolist())
        alone[fold], joined[fold] = answer(known, asked, params)
        shared += int(shared_texts(known.texts, asked.texts).value)
    return alone, joined, shared


def measure_posts(posts: Posts, answers: Probabilities, split: str) -> list[Figure]:
    """The figures of `METRICS` with intervals; posts of one text are drawn together."""
    truth = np.array([SENTIMENTS.index(label) for label in posts.labels], dtype=np.int64)
    counts = draw_counts(posts.texts, _DRAWS, _SEED)
    values = measure_with_intervals(Outcomes(truth, answers), counts)
    figures = []
    for metric in METRICS:
        value, interval = values[metric], values[f"{metric}_ci"]
        if isinstance(value, float) and isinstance(interval, list):
            ci = (interval[0], interval[1])
            figures.append(Figure(split=split, metric=metric, value=value, ci=ci, n=len(truth)))
    return figures
