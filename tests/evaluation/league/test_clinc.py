"""What the benchmark of intents reads, and what it counts."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from evaluation.league.clinc import (
    CLINC,
    MIXED,
    ClincIntents,
    Queries,
    intent_figures,
    novelty_figures,
    read_clinc,
)

MIRROR = Path(os.environ.get("TICKETS_MIRROR", Path(__file__).parents[3].parent / "shared/data"))
FOLDER = MIRROR / "clinc150"


def test_out_of_scope_rows_of_train_and_valid_are_not_read(tmp_path: Path) -> None:
    parts = {
        "train": [["book  a flight", "book_flight"]],
        "val": [["a flight please", "book_flight"]],
        "test": [["fly me home", "book_flight"]],
        "oos_test": [["who won", "oos"]],
    }
    (tmp_path / "data_full.json").write_text(json.dumps(parts), encoding="utf-8")
    train, valid, test, outside = read_clinc(tmp_path)
    assert train.texts == ["book a flight"]  # as every member reads it
    assert valid.labels == {"intent": ["book_flight"]}
    assert test.positions(("book_car", "book_flight")).tolist() == [1]
    assert outside.texts == ["who won"]


def test_a_small_run_keeps_the_first_rows_of_the_intents_asked_for() -> None:
    queries = Queries([f"text {i}" for i in range(40)], ["a", "b"] * 20)
    assert queries.few({"b"}).texts == [f"text {i}" for i in range(1, 16, 2)]
    assert set(queries.few({"b"}).intents) == {"b"}


def test_every_figure_of_the_intents_has_an_interval_around_it() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 200)
    probabilities = random.dirichlet(np.ones(3), 200) + 2 * np.eye(3)[truth]
    figures = intent_figures(probabilities / probabilities.sum(axis=1, keepdims=True), truth)
    assert [figure.metric for figure in figures] == ["accuracy", "macro_f1", "ece"]
    for figure in figures:
        assert figure.ci is not None
        assert figure.ci[0] <= figure.value <= figure.ci[1]


def test_queries_far_from_all_intents_are_noticed() -> None:
    random = np.random.default_rng(0)
    classes = np.arange(400) % 2

    def near(axes: np.ndarray) -> np.ndarray:
        rows = 9 * np.eye(6)[axes] + random.normal(size=(len(axes), 6))
        return rows.astype(np.float32)

    features = [near(classes), near(classes), near(classes), near(np.full(100, 4))]
    figures = {
        (one.split, one.metric): one
        for one in novelty_figures(features, classes, np.ones(400, bool))
    }
    assert figures[MIXED, "auroc"].value > 0.99
    assert {(MIXED, "auroc, neighbours"), (MIXED, "auprc, relative")} <= set(figures)
    at = f"{MIXED}, 95% in-scope acceptance on val"
    assert figures[at, "oos_recall"].value > 0.95
    assert figures[at, "oos_recall"].n == 100
    assert 0.9 < figures[at, "in_scope_acceptance"].value < 1
    # Every intent is told right, so that what is not accepted is all that is wrong.
    assert figures[at, "in_scope_accuracy"].value == figures[at, "in_scope_acceptance"].value


@pytest.mark.mirror
@pytest.mark.skipif(not FOLDER.is_dir(), reason="no mirror of the public data sets here")
def test_a_small_run_gives_figures() -> None:
    figures = ClincIntents().run({CLINC: FOLDER}, small=True)
    assert {"accuracy", "auroc", "oos_recall", "shared_texts"} <= {one.metric for one in figures}
