"""CLINC150: 150 intents told apart, and queries of none of them noticed, without having seen any.

Larson et al., "An evaluation dataset for intent classification and out-of-scope prediction", EMNLP
2019. The out-of-scope rows of train and valid are not read.

What was chosen was chosen without out-of-scope rows and on no test row: 25 intents were left out of
train (50 rows were kept of each of the others) and had to be noticed as novel. AUROC there, of the
fine-tuned features, label smoothing 0 / 0.1: class centroids 0.936 / 0.923, energy 0.935 / 0.927,
nearest neighbour 0.933 / 0.927, relative Mahalanobis 0.933 / 0.930, Mahalanobis 0.930 / 0.929,
greatest softmax 0.927 / 0.925; of the features before fine-tuning at most 0.91. Accuracy on valid
rows there: 0.970 fine-tuned, 0.973 with the embedding member, 0.970 of both networks. The test rows
had been looked at once before the embedding member was added: the fine-tuned one alone reached an
accuracy of 0.964 there. Mahalanobis distance did better than class centroids on them, and was not
taken for that.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from data.text import model_text
from evaluation.detection import detection_figures
from evaluation.intervals import Counts, draw_counts, error_interval, percentile_interval
from evaluation.league.benchmark import Figure, shared_texts
from evaluation.metrics import Booleans, Floats, Outcomes, measure, measure_once
from models.base import Labels, Member, Probabilities
from models.distances import Method
from models.embedding import EmbeddingMember
from models.ensemble import fit_combination
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.linear import LinearMember
from models.novelty import NoveltyDetector, NoveltyParams

CLINC = "clinc150"
TEST = "test"
MIXED = "test + oos_test"
"""In-scope test rows and out-of-scope ones; the second are those to be noticed."""

TARGET = "intent"
FINETUNED = "finetuned"
"""The member whose features tell what is novel."""
ACCEPTANCES = (0.95, 0.99)
"""Shares of in-scope rows let pass: the league's own, and the product's."""

PARAMS = FinetunedParams(
    max_tokens=64, epochs=5, learning_rate=2e-4, frozen_layers=1, dropout=0.1, label_smoothing=0.0
)
SMALL_PARAMS = PARAMS.model_copy(update={"epochs": 1, "frozen_layers": 5})
SEED = 1
SMALLEST_WEIGHT = 0.02
"""A member below it is left out, as in the product."""
DRAWS = 1000

SMALL_INTENTS, SMALL_ROWS = 3, 8
"""Intents, and rows of each in every part, of a small run."""


@dataclass(frozen=True)
class Queries:
    """Texts as the members read them, each with its intent."""

    texts: list[str]
    intents: list[str]

    @property
    def labels(self) -> Labels:
        return {TARGET: self.intents}

    def positions(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Class position of each row, shape (n,)."""
        return np.array([classes.index(intent) for intent in self.intents], dtype=np.int64)

    def few(self, intents: set[str]) -> "Queries":
        """The first rows of some intents."""
        kept: dict[str, list[str]] = {intent: [] for intent in sorted(intents)}
        for text, intent in zip(self.texts, self.intents, strict=True):
            if intent in kept and len(kept[intent]) < SMALL_ROWS:
                kept[intent].append(text)
        rows = [(text, intent) for intent, texts in kept.items() for text in texts]
        return Queries([text for text, _ in rows], [intent for _, intent in rows])


class ClincIntents:
    """Accuracy over the 150 intents, and how well queries outside of them are noticed.

    The members are those of the product and are combined as it does it, with weights and
    temperatures from valid; novelty is the distance of the fine-tuned features, its thresholds from
    valid as well.
    """

    name = CLINC
    datasets: tuple[str, ...] = (CLINC,)

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Figures on the published test rows of the full data set."""
        train, valid, test, outside = read_clinc(folders[CLINC])
        if small:
            intents = set(sorted(set(train.intents))[:SMALL_INTENTS])
            train, valid, test = (part.few(intents) for part in (train, valid, test))
            outside = outside.few(set(outside.intents))
        members: dict[str, Member] = {
            FINETUNED: FinetunedMember(SMALL_PARAMS if small else PARAMS, seed=SEED),
            "embedding": EmbeddingMember(),
            "linear": LinearMember(),
        }
        for member in members.values():
            member.fit(train.texts, train.labels)
        return measure_clinc(members, train, valid, test, outside)


def read_clinc(folder: Path) -> tuple[Queries, Queries, Queries, Queries]:
    """In-scope train, valid and test rows, and the out-of-scope test rows."""
    parts = json.loads((folder / "data_full.json").read_text(encoding="utf-8"))
    train, valid, test, outside = (
        Queries([model_text(text) for text, _ in parts[name]], [i for _, i in parts[name]])
        for name in ("train", "val", "test", "oos_test")
    )
    return train, valid, test, outside


def measure_clinc(
    members: Mapping[str, Member],
    train: Queries,
    valid: Queries,
    test: Queries,
    outside: Queries,
) -> list[Figure]:
    """Every figure of members fitted on train."""
    classes = members[FINETUNED].targets_[TARGET]
    told = {
        part: {name: m.predict_proba(rows.texts)[TARGET] for name, m in members.items()}
        for part, rows in (("valid", valid), ("test", test))
    }
    combination = fit_combination(told["valid"], valid.positions(classes), SMALLEST_WEIGHT)
    probabilities = combination.combine(told["test"])
    right = probabilities.argmax(axis=1) == test.positions(classes)
    encode = members[FINETUNED].encode
    features = [encode(part.texts) for part in (train, valid, test, outside)]
    return [
        *intent_figures(probabilities, test.positions(classes)),
        *novelty_figures(features, train.positions(classes), right),
        shared_texts(train.texts, test.texts, TEST),
        shared_texts(train.texts, outside.texts, "oos_test"),
    ]


def intent_figures(probabilities: Probabilities, truth: NDArray[np.int64]) -> list[Figure]:
    """Accuracy, macro F1 and calibration error on in-scope test rows."""
    outcomes = Outcomes(truth, probabilities)
    values = measure_once(outcomes)
    draws = measure(outcomes, _counts(len(outcomes)))
    return [
        Figure(
            split=TEST,
            metric=name,
            value=values[name],
            ci=_pair(
                error_interval(draws[name], values[name])
                if name == "ece"
                else percentile_interval(draws[name])
            ),
            n=len(outcomes),
        )
        for name in ("accuracy", "macro_f1", "ece")
    ]


def novelty_figures(
    features: Sequence[NDArray[np.float32]], classes: NDArray[np.int64], right: Booleans
) -> list[Figure]:
    """What the detector notices, and beside it the areas of the other distances.

    Parameters
    ----------
    features : of train, valid, test and out-of-scope rows, each of shape (n, d)
    classes : class positions of the train rows
    right : whether the intent told is the right one, for each test row
    """
    train, valid, *mixed = features
    wanted = np.repeat([False, True], [len(part) for part in mixed])
    counts = _counts(len(wanted))
    figures = []
    for method in get_args(Method):
        detector = NoveltyDetector(NoveltyParams(method=method)).fit(train, classes.tolist())
        scores = detector.score(np.vstack(mixed))
        suffix = "" if method == NoveltyParams().method else f", {method}"
        figures += _areas(scores, wanted, counts, suffix)
        if not suffix:
            held_out = detector.score(valid)
            for acceptance in ACCEPTANCES:
                detector.set_threshold(held_out, acceptance)
                figures += _at_threshold(detector.is_novel(scores), wanted, right, acceptance)
    return figures


def _areas(scores: Floats, wanted: Booleans, counts: Counts, suffix: str) -> list[Figure]:
    values = detection_figures(scores, wanted)
    draws = detection_figures(scores, wanted, counts)
    return [
        Figure(
            split=MIXED,
            metric=f"{name}{suffix}",
            value=float(values[name][0]),
            ci=_pair(percentile_interval(draws[name])),
            n=len(scores),
        )
        for name in values
    ]


def _at_threshold(
    novel: Booleans, wanted: Booleans, right: Booleans, acceptance: float
) -> list[Figure]:
    """Shares of rows at one threshold; `in_scope_accuracy` counts rows taken for novel as wrong."""
    at = f"{acceptance:.0%} in-scope acceptance on val"
    accepted = ~novel[~wanted]
    shares = {
        "oos_recall": novel[wanted],
        "in_scope_acceptance": accepted,
        "in_scope_accuracy": accepted & right,
    }
    return [
        Figure(
            split=f"{MIXED}, {at}",
            metric=name,
            value=float(rows.mean()),
            ci=_pair(percentile_interval(_counts(len(rows)) @ rows / len(rows))),
            n=len(rows),
        )
        for name, rows in shares.items()
    ]


def _counts(n: int) -> Counts:
    """Bootstrap counts of n rows, each a group of its own."""
    return draw_counts([str(row) for row in range(n)], DRAWS, seed=0)


def _pair(interval: list[float] | None) -> tuple[float, float] | None:
    return (interval[0], interval[1]) if interval else None
