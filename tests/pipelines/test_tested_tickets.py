"""Of the test tickets is known what the service would know of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import DataError
from data.prepared import Prepared
from models.routing import LanguageCertificate, RoutingPolicy
from pipelines.memory import NOVELTY
from pipelines.params import LanguageParams
from pipelines.tested_tickets import (
    answers_on_test,
    labelled_targets,
    novel_tickets,
    read_test_tickets,
    served_languages,
    speaks,
)

GERMAN = "Der Drucker im zweiten Stock druckt seit gestern nicht mehr"


@pytest.fixture
def prepared() -> Prepared:
    """Two train tickets and two test tickets, the last in German though its row says English."""
    frame = pd.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "text": ["no paper", "no network", "ok", GERMAN],
            "language": ["en", "en", None, "en"],
            "group": ["a", "b", "b", "d"],
            "split": ["train", "train", "test", "test"],
            "near_train": [False, False, True, False],
            "kind": ["x", "y", "x", None],
            "urgency": ["low", "low", "low", "low"],
        }
    )
    targets = {"kind": ("x", "y"), "urgency": ("low",)}
    return Prepared(frame, targets, {"language": "column"})


def test_test_tickets_are_those_of_the_test_split(prepared: Prepared) -> None:
    tickets = read_test_tickets(prepared, prepared.texts())
    assert len(tickets) == 2
    assert tickets.ids == ["c", "d"]
    assert tickets.texts == ["ok", GERMAN]
    assert tickets.groups == ["b", "d"]
    assert list(tickets.languages) == [None, "en"]
    assert tickets.near_train.tolist() == [True, False]


def test_a_target_without_test_labels_is_left_out(prepared: Prepared) -> None:
    assert labelled_targets(prepared) == ["kind", "urgency"]
    unlabelled = prepared.frame.copy()
    unlabelled.loc[unlabelled["split"] == "test", "kind"] = None
    assert labelled_targets(replace(prepared, frame=unlabelled)) == ["urgency"]
    unlabelled.loc[unlabelled["split"] == "test", "urgency"] = None
    with pytest.raises(DataError, match="no test ticket"):
        labelled_targets(replace(prepared, frame=unlabelled))


def test_answers_are_those_to_the_test_tickets(prepared: Prepared) -> None:
    answers = {"urgency": np.arange(4, dtype=np.float32)[:, None]}
    found = answers_on_test(prepared, answers)["urgency"]
    assert found.dtype == np.float64
    assert found.tolist() == [[2], [3]]


def test_the_language_of_a_ticket_is_detected_where_the_entry_speaks_for_all(
    prepared: Prepared,
) -> None:
    params = LanguageParams(targets=("en", "de"))
    assert served_languages(prepared, params) == [None, "en"]
    of_the_entry = replace(prepared, summary={"language": "entry"})
    assert served_languages(of_the_entry, params) == [None, "de"]


def test_only_languages_that_keep_the_promise_are_spoken() -> None:
    certificates = {
        language: LanguageCertificate(
            rows=9, automatic=9, errors=0, lower_bound=0.9, certified=certified
        )
        for language, certified in (("en", True), ("de", False))
    }
    policy = RoutingPolicy(
        accuracy=0.95, confidence=0.95, family="class", method="made up", rows=9,
        certified_automation=0.5, classes={}, languages=certificates,
    )  # fmt: skip
    assert speaks(policy, ["en", "de", "fr", "en", None]).tolist() == [
        True,
        False,
        False,
        True,
        True,
    ]


def test_novel_test_tickets_are_those_the_memory_takes_for_novel(
    prepared: Prepared, tmp_path: Path
) -> None:
    assert novel_tickets(prepared, tmp_path) is None
    np.savez(tmp_path / NOVELTY, novel=np.array([True, False, False, True]))
    assert novel_tickets(prepared, tmp_path).tolist() == [False, True]
