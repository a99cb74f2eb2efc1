"""A window keeps numbers of its tickets and none of their texts."""

import numpy as np

from evaluation.drift_report import WindowFacts
from evaluation.drift_window import KINDS, OTHER, UNKNOWN, Answers, Window, make_window
from evaluation.drift_words import KnownWords, WordCounts

TEXTS = ["Crash at https://example.org with [email]", "printer unheard", ""]


def window(**changes: object) -> Window:
    given = {
        "texts": TEXTS,
        "ids": ["a", "b", "c"],
        "languages": ["en", None, "de"],
        "known": KnownWords.of(WordCounts(9, {"crash": 9, "printer": 9, "with": 9})),
        "targets": {
            "kind": Answers.of(
                ("x", "y"),
                np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]),
                np.array([True, False, True]),
                np.array([0, UNKNOWN, OTHER]),
            )
        },
        "embeddings": np.array([[1.0, 2.0], [3.0, 4.0]]),
        "embedded": np.array([0, 2]),
        "encoder": "invented",
    }
    return make_window(WindowFacts(name="w", tickets=0), **(given | changes))  # type: ignore[arg-type]


def test_a_window_counts_what_stands_in_its_tickets() -> None:
    found = window()
    assert len(found) == found.facts.tickets == 3
    assert found.languages == ("en", "unknown", "de")
    assert found.lengths.tolist() == [len(text) for text in TEXTS]
    assert found.unknown_words is not None
    assert found.unknown_words.tolist() == [0.0, 0.5, 0.0]
    named = {kind for kind, has in zip(KINDS, found.entities[0], strict=True) if has}
    assert named == {"url", "email"}
    assert not found.entities[1:].any()


def test_answers_know_which_are_right() -> None:
    answers = window().targets["kind"]
    assert answers.predicted.tolist() == [0, 1, 1]
    assert answers.confidence.tolist() == [0.9, 0.6, 0.8]
    assert answers.names() == ["x", "y", "y"]
    assert answers.labelled.tolist() == [0, 2]
    assert answers.correct.tolist() == [True, False]  # of no class that is known: wrong


def test_without_labels_nothing_is_labelled() -> None:
    answers = Answers.of(("x", "y"), np.array([[0.9, 0.1]]))
    assert len(answers.labelled) == len(answers.correct) == 0


def test_some_of_a_window_is_a_window() -> None:
    part = window().take(np.array([2, 1]))
    assert part.ids == ("b", "c")
    assert part.facts.tickets == 2
    assert part.targets["kind"].predicted.tolist() == [1, 1]
    assert part.embedded.tolist() == [1]
    assert part.embeddings is not None
    assert part.embeddings.tolist() == [[3.0, 4.0]]
    assert part.targets["kind"].automatic is not None
    assert part.targets["kind"].automatic.tolist() == [False, True]


def test_what_is_not_given_is_not_known() -> None:
    bare = window(known=None, targets=None, embeddings=None, embedded=None)
    assert bare.unknown_words is None
    assert bare.embeddings is None
    assert bare.encoder is None
    part = bare.take(np.array([0]))
    assert part.unknown_words is None and len(part.embedded) == 0


def test_vectors_are_of_all_tickets_unless_said_otherwise() -> None:
    assert window(embeddings=np.zeros((3, 2)), embedded=None).embedded.tolist() == [0, 1, 2]


def test_customers_are_told_apart_if_they_are_known() -> None:
    found = window(texts=["same words"] * 3, groups=["c1", "c1", "c2"])
    assert found.words.groups["same"] == 2
    assert window(texts=["same words"] * 3).words.groups["same"] == 3
