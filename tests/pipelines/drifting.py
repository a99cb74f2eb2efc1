"""Invented tickets of two kinds, as a bundle of keywords answers them, and tickets of new words."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from data.store import StoredPrediction
from evaluation.drift_report import WindowFacts
from evaluation.drift_vectors import HASHED, hash_vectors
from evaluation.drift_window import Answers, Window, make_window
from evaluation.drift_words import KnownWords, count_words, plain_words
from tests.stores import make_prediction

LABELS = {"category": ("network", "printer")}
DAY = timedelta(days=1)
OLD_WORDS = ("network cable switch router vpn tunnel slow timeout", "printer paper toner tray jam")
NEW_WORDS = ("hologram projector lens beam", "drone battery rotor blade")


def write_text(random: np.random.Generator, kind: int, words: tuple[str, str] = OLD_WORDS) -> str:
    return " ".join(random.choice(words[kind].split(), 6)) + f" {'network' if kind == 0 else ''}"


def make_tickets(seed: int, n: int, words: tuple[str, str] = OLD_WORDS) -> list[str]:
    random = np.random.default_rng(seed)
    return [write_text(random, int(kind), words) for kind in random.integers(0, 2, n)]


def window_of(texts: list[str]) -> tuple[Window, KnownWords]:
    """As the keyword member answers, and the words of its training."""
    known = KnownWords.of(count_words(map(plain_words, texts), [str(n) for n in range(len(texts))]))
    named = np.array(["network" in text for text in texts])
    probabilities = np.where(named[:, None], [0.97, 0.03], [0.3, 0.7])
    return make_window(
        WindowFacts(name="reference of the bundle", tickets=0),
        texts,
        ids=[""] * len(texts),
        languages=["en"] * len(texts),
        groups=[str(n % 50) for n in range(len(texts))],
        known=known,
        targets={
            "category": Answers.of(
                LABELS["category"],
                probabilities,
                probabilities[:, 0] > 0.9,
                probabilities.argmax(axis=1).astype(np.int64),
            )
        },
        embeddings=hash_vectors(texts),
        encoder=HASHED,
    ), known


def stored(number: int, text: str, at: datetime, version: str) -> StoredPrediction:
    named = "network" in text
    return make_prediction(
        number,
        text=text,
        at=at,
        bundle=version,
        labels={"category": "network" if named else "printer"},
    )


def write_file(path: Path, texts: list[str]) -> Path:
    path.write_text(
        "\n".join(json.dumps({"text": text, "queue": "printer"}) for text in texts),
        encoding="utf-8",
    )
    return path
