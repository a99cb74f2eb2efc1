"""Intents learned from English sentences alone, asked of sentences in other languages (xSID)."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, WeightsError
from evaluation.intervals import draw_counts, percentile_interval
from evaluation.league.benchmark import Figure, shared_texts
from models.embedding import EmbeddingMember, EmbeddingParams

logger = logging.getLogger(__name__)

DATASET = "xsid-train-valid"
LANGUAGES = ("de", "it", "nl", "da", "tr", "zh")
ENGLISH = "en"
ENCODERS = ("minilm", "e5-small")

ROWS = 8000
"""English sentences learned from: all 35,904 different ones take four times as long."""

MAX_TOKENS = 64
DRAWS = 1000
SEED = 20261123
SMALL_ROWS, SMALL_TEXTS = 200, 20

_MERGED = {"GetWeather": "weather/find"}
"""Names of an intent in the train file -> its name in the validation files."""


class ZeroShotIntents:
    """Accuracy of a logistic regression on frozen vectors, English the only language seen.

    Measured on the validation files, the test files being held back by the authors; nothing is
    chosen on them: the regression is that of `EmbeddingMember` as it stands. The sentences are
    translations of each other, so their mean over languages is drawn by sentence.
    """

    name = "xsid-zero-shot"
    datasets: tuple[str, ...] = (DATASET,)

    def __init__(self, encoders: Sequence[str] = ENCODERS) -> None:
        self.encoders = tuple(encoders)

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Accuracy per language and encoder; an encoder whose weights are not to be had is left."""
        folder = folders[DATASET]
        texts, intents = read_train(folder)
        rows = draw_rows(len(texts), SMALL_ROWS if small else ROWS)
        texts, intents = [texts[i] for i in rows], [intents[i] for i in rows]
        valid = {
            language: read_valid(find_file(folder, f"{language}.valid.conll"))
            for language in (ENGLISH, *LANGUAGES)
        }
        if small:
            valid = {one: (t[:SMALL_TEXTS], i[:SMALL_TEXTS]) for one, (t, i) in valid.items()}
        figures = []
        for encoder in self.encoders:
            try:
                found = _correct(encoder, (texts, intents), valid)
            except WeightsError as error:
                logger.warning("%s is left out: %s", encoder, error)
                continue
            figures += figures_of(encoder, found)
        for language, (sentences, _) in valid.items():
            figures.append(shared_texts(texts, sentences, f"{language}.valid"))
        return figures


def read_train(folder: Path) -> tuple[list[str], list[str]]:
    """The different English sentences and their intents; of repeated ones the first."""
    texts = find_file(folder, "train_en_text.txt").read_text("utf-8").splitlines()
    labels = find_file(folder, "train_en_label.txt").read_text("utf-8").splitlines()
    if len(texts) != len(labels):
        raise DataError(f"{len(texts)} sentences and {len(labels)} labels")
    intents = [label.rpartition("\t")[2] for label in labels]
    known: dict[str, str] = {}
    for text, intent in zip(texts, intents, strict=True):
        known.setdefault(text, _MERGED.get(intent, intent))
    return list(known), list(known.values())


def read_valid(path: Path) -> tuple[list[str], list[str]]:
    """Sentences and intents of a file; both stand in comments above the words."""
    lines = path.read_text("utf-8").splitlines()
    texts = list(_comments(lines, "text"))
    intents = list(_comments(lines, "intent"))
    if len(texts) != len(intents):
        raise DataError(f"{path.name}: {len(texts)} sentences and {len(intents)} intents")
    return texts, intents


def draw_rows(n: int, size: int) -> list[int]:
    """Positions of a random sample without replacement, in order; all where there are fewer."""
    drawn = np.random.default_rng(SEED).permutation(n)[:size]
    return sorted(map(int, drawn))


def figures_of(encoder: str, correct: Mapping[str, NDArray[np.bool_]]) -> list[Figure]:
    """Accuracy of each language with its interval, and the mean of those but English."""
    sizes = {len(one) for one in correct.values()}
    (size,) = sizes  # translations of the same sentences
    counts = draw_counts([str(i) for i in range(size)], DRAWS, SEED).astype(np.float64)
    foreign = [one for one in correct if one != ENGLISH]
    measured = {f"{one}.valid": correct[one].astype(np.float64) for one in correct}
    measured["mean of six" if len(foreign) == len(LANGUAGES) else "mean"] = np.mean(
        [correct[one] for one in foreign], axis=0
    )
    figures = []
    for split, values in measured.items():
        interval = percentile_interval(counts @ values / counts.sum(axis=1))
        figures.append(
            Figure(
                split=split,
                metric=f"accuracy, {encoder}",
                value=float(values.mean()),
                ci=(interval[0], interval[1]) if interval else None,
                n=size * len(foreign) if split.startswith("mean") else size,
            )
        )
    return figures


def find_file(folder: Path, name: str) -> Path:
    """A file of a data set, whichever folder of it it lies in."""
    direct = folder / name
    return direct if direct.is_file() else next(iter(sorted(folder.rglob(name))), direct)


def _comments(lines: Iterable[str], field: str) -> Iterable[str]:
    start = f"# {field} = "
    return (line[len(start) :].strip() for line in lines if line.startswith(start))


def _correct(
    encoder: str,
    train: tuple[list[str], list[str]],
    valid: Mapping[str, tuple[list[str], list[str]]],
) -> dict[str, NDArray[np.bool_]]:
    """Language -> whether each sentence got its intent, shape (n,)."""
    member = EmbeddingMember(EmbeddingParams(encoder=encoder, max_tokens=MAX_TOKENS))
    member.fit(train[0], {"intent": train[1]})
    classes = np.array(member.targets_["intent"])
    return {
        language: np.asarray(
            classes[member.predict_proba(texts)["intent"].argmax(axis=1)] == np.array(intents)
        )
        for language, (texts, intents) in valid.items()
    }
