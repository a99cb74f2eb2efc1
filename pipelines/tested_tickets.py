"""The test split as the stage `evaluate` asks about it: tickets, labels, answers, languages."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.language import LanguageDetector
from data.prepared import Prepared
from evaluation.assessment import TestTickets
from models.routing import RoutingPolicy
from pipelines.memory import read_novel
from pipelines.params import LanguageParams

logger = logging.getLogger(__name__)

Answers = Mapping[str, NDArray[np.float32]]
"""Target -> probabilities of shape (n_rows, n_classes), NaN rows where unknown."""


def read_test_tickets(prepared: Prepared, texts: list[str]) -> TestTickets:
    """The test split as the evaluation wants it."""
    test = prepared.rows("test")
    frame = prepared.frame.iloc[test]
    return TestTickets(
        ids=[str(name) for name in frame["id"]],
        texts=[texts[row] for row in test],
        groups=[str(group) for group in frame["group"]],
        languages=prepared.languages(test),
        near_train=frame["near_train"].to_numpy(dtype=bool),
    )


def labelled_targets(prepared: Prepared) -> list[str]:
    """Targets that the test split can say something about."""
    test, measured = prepared.rows("test"), []
    for target in prepared.targets:
        if np.any(prepared.label_index(target)[test] >= 0):
            measured.append(target)
        else:
            logger.warning("%s is left out: no test ticket carries a label of it", target)
    if not measured:
        raise DataError("no test ticket carries a label; see prepare.split in params.yaml")
    return measured


def answers_on_test(prepared: Prepared, answers: Answers) -> dict[str, NDArray[np.float64]]:
    """Target -> probabilities of the test tickets."""
    test = prepared.rows("test")
    return {target: found[test].astype(np.float64) for target, found in answers.items()}


def speaks(policy: RoutingPolicy, languages: Sequence[str | None]) -> NDArray[np.bool_]:
    """Whether a ticket in each of these languages may be routed unseen, shape (n,)."""
    known = {language: policy.speaks(language) for language in set(languages)}
    return np.array([known[language] for language in languages], dtype=bool)


def served_languages(prepared: Prepared, params: LanguageParams) -> list[str | None]:
    """The language of each test ticket as the service would know it.

    Where the entry speaks for all tickets, none carries its language: the service detects it.
    """
    test = prepared.rows("test")
    if prepared.summary.get("language") != "entry":
        return prepared.languages(test)
    detector = LanguageDetector(params.targets, detector=params.detector)
    texts = prepared.texts()
    return [detector.detect(texts[row]) for row in test]


def novel_tickets(prepared: Prepared, folder: Path) -> NDArray[np.bool_] | None:
    """Which test tickets the memory takes for novel, shape (n_test,); None without a memory."""
    novel = read_novel(folder, prepared)
    return None if novel is None else novel[prepared.rows("test")]
