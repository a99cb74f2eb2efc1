"""The benchmark of sentiment: which posts, which figures."""

from pathlib import Path

import numpy as np
import pytest

from data.catalog import read_catalog
from data.errors import DataError
from evaluation.league.benchmark import SHARED_TEXTS
from evaluation.league.sentiment import METRICS, Sentiment, measure_posts, read_posts
from models.sentiment import SENTIMENTS

WORDS = {"negative": "terrible", "neutral": "installed", "positive": "great"}
FILES = ("train3098itemPOLARITY.csv", "test1326itemPOLARITY.csv")


def write(folder: Path, name: str, numbers: range) -> None:
    lines = [
        f't{number};{label};"the {number}th answer; it is {word}"'
        for number in numbers
        for label, word in WORDS.items()
    ]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, FILES[0], range(14))
    write(tmp_path, FILES[1], range(13, 17))
    return tmp_path


def test_posts_are_read_with_their_polarity(folder: Path) -> None:
    posts = read_posts(folder, read_catalog()["senti4sd"], FILES[1])
    assert posts.texts[0] == "the 13th answer; it is terrible"
    assert posts.labels == list(SENTIMENTS) * 4


def test_a_polarity_that_is_none_of_the_three_is_refused(folder: Path) -> None:
    (folder / FILES[0]).write_text("t1;mixed;well\n", encoding="utf-8")
    with pytest.raises(DataError, match="record 1: unknown polarity"):
        read_posts(folder, read_catalog()["senti4sd"], FILES[0])


def test_a_small_run_gives_every_figure_with_its_interval(folder: Path) -> None:
    figures = {(f.split, f.metric): f for f in Sentiment().run({"senti4sd": folder}, small=True)}
    splits = {
        "published test": 12,
        "published test, without words": 12,
        "published test, all layers": 12,
        "five-fold": 54,
        "five-fold, without words": 54,
    }
    assert set(figures) == {(s, m) for s in splits for m in METRICS} | {
        (s, SHARED_TEXTS) for s in ("published test", "five-fold")
    }
    for split, n in splits.items():
        assert figures[split, "accuracy"].n == n
        for metric in METRICS:
            interval = figures[split, metric].ci
            assert interval is not None
            assert interval[0] <= figures[split, metric].value <= interval[1]
    # The three posts of number 13 stand in both files.
    assert figures["published test", SHARED_TEXTS].value == 3


def test_right_answers_measure_one(folder: Path) -> None:
    posts = read_posts(folder, read_catalog()["senti4sd"], FILES[1])
    answers = [[float(name == label) for name in SENTIMENTS] for label in posts.labels]
    figures = measure_posts(posts, np.array(answers), "test")
    assert [(f.metric, f.value) for f in figures] == [
        ("accuracy", 1.0),
        ("macro_f1", 1.0),
        ("ece", 0.0),
    ]
