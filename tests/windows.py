"""Invented windows whose classes, vectors and calibrated answers are known by construction."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evaluation.drift_report import WindowFacts
from evaluation.drift_window import UNKNOWN, Answers, Window
from evaluation.drift_words import count_words

CLASSES = ("bug", "question", "wish")
PRIORS = (0.5, 0.3, 0.2)
DIMENSION = 8
CENTRES = np.eye(3, DIMENSION) * 2.5
WORDS = ("crash error freeze", "how where which", "could nicer please")


def posterior(vectors: np.ndarray, priors: Sequence[float] = PRIORS) -> np.ndarray:
    """Bayes' own probabilities (n, 3): calibrated wherever the classes have these shares."""
    distances = ((vectors[:, None, :] - CENTRES[None]) ** 2).sum(axis=2)
    logits = np.log(priors) - distances / 2
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def draw_window(
    random: np.random.Generator,
    n: int,
    *,
    name: str = "invented",
    priors: Sequence[float] = PRIORS,
    moved: float = 0.0,
    relabelled: float = 0.0,
    audited: int | None = None,
    probabilities: bool = True,
    vectors: bool = True,
    language: str = "en",
) -> Window:
    """Tickets drawn from three classes around centres of their own.

    Parameters
    ----------
    priors : shares of the classes; the answers always assume `PRIORS`
    moved : how far a third of the tickets lies from where the rest does, in a new direction; what
        is right for them is drawn from the answers' own probabilities
    relabelled : share of `bug` that people call `wish` by now
    audited : labels that are known; None: all
    """
    truth = random.choice(3, n, p=np.asarray(priors) / np.sum(priors))
    x = CENTRES[truth] + random.standard_normal((n, DIMENSION))
    strange = random.random(n) < (1 / 3 if moved else 0)
    x[strange, -1] += moved
    right = posterior(x)
    drawn = (random.random((n, 1)) > right.cumsum(axis=1)).sum(axis=1).clip(max=2)
    truth = np.where(strange, drawn, truth)
    truth = np.where((truth == 0) & (random.random(n) < relabelled), 2, truth)
    known = truth if audited is None else np.where(np.arange(n) < audited, truth, UNKNOWN)
    answers = Answers.of(CLASSES, right, right.max(axis=1) > 0.9, known.astype(np.int64))
    if not probabilities:
        answers = replace(answers, probabilities=None)
    words = [
        [*WORDS[label].split(), "hologram" if new else "device"]
        for label, new in zip(truth, strange, strict=True)
    ]
    ids = tuple(f"{name}-{row}" for row in range(n))
    return Window(
        facts=WindowFacts(name=name, tickets=n),
        ids=ids,
        languages=(language,) * n,
        lengths=random.integers(20, 400, n).astype(np.float64),
        kinds=("path", "url"),
        entities=random.random((n, 2)) < (0.3, 0.001),
        words=count_words(words, ids),
        targets={"kind": answers},
        embeddings=x.astype(np.float32) if vectors else None,
        embedded=np.arange(n) if vectors else np.zeros(0, dtype=np.int64),
        encoder="invented" if vectors else None,
    )
