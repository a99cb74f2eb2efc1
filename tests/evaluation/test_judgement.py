"""Whether an answer was right follows from stated rules."""

from datetime import timedelta

import pytest

from data.store import StoredFeedback
from evaluation.judgement import judge
from tests.evaluation.audits import says, told
from tests.stores import NOON


def later(
    seconds: int, verdict: str, author: str | None, label: str | None = None
) -> StoredFeedback:
    return says(
        1, verdict, author=author, label=label, at=NOON + timedelta(seconds=seconds),
        key=f"{seconds}",
    )  # fmt: skip


def judged(*said: StoredFeedback) -> tuple[bool, str | None, bool]:
    judgement = judge(told(1, said=said), "category")
    assert judgement is not None
    return judgement.right, judgement.label, judgement.agreed


@pytest.mark.parametrize(
    ("verdict", "label", "right", "named"),
    [
        ("confirm", None, True, "network"),
        ("correct", "network", True, "network"),
        ("correct", "printer", False, "printer"),
        ("reject", None, False, None),
    ],
)
def test_one_author_says_right_or_wrong(
    verdict: str, label: str | None, right: bool, named: str | None
) -> None:
    assert judged(says(1, verdict, label=label)) == (right, named, True)


def test_a_label_that_no_bundle_knows_makes_the_answer_wrong() -> None:
    assert judged(says(1, "correct", label="drones", status="proposal")) == (False, "drones", True)


def test_of_one_author_the_newest_word_counts() -> None:
    assert judged(later(1, "reject", "ann"), later(2, "confirm", "ann"))[0]
    assert not judged(later(2, "reject", "ann"), later(1, "confirm", "ann"))[0]
    assert judged(later(1, "reject", None), later(2, "confirm", None)) == (True, "network", True)


def test_the_majority_of_authors_has_it() -> None:
    assert judged(
        later(1, "correct", "ann", "printer"),
        later(2, "correct", "ben", "drones"),
        later(3, "confirm", "cem"),
    ) == (False, "drones", False)


def test_of_equal_sides_the_one_that_spoke_last_has_it() -> None:
    assert judged(later(1, "reject", "ann"), later(2, "confirm", "ben")) == (True, "network", False)
    assert judged(later(1, "confirm", "ann"), later(2, "reject", "ben")) == (False, None, False)


def test_the_right_label_is_named_by_those_who_were_not_overruled() -> None:
    assert judged(
        later(1, "correct", "ann", "printer"), later(2, "reject", "ben"), later(3, "confirm", "cem")
    ) == (False, "printer", False)


def test_it_is_dated_by_the_first_word_even_if_that_was_taken_back() -> None:
    judgement = judge(
        told(1, said=[later(9, "confirm", "ann"), later(4, "reject", "ann")]), "category"
    )
    assert judgement is not None
    assert judgement.at == NOON + timedelta(seconds=4)


def test_of_what_nobody_spoke_nothing_is_known() -> None:
    assert judge(told(1), "category") is None
    assert judge(told(1, said=[says(1)]), "severity") is None
    assert judge(told(1, said=[says(1, target="severity")]), "severity") is None


def test_what_is_not_believed_does_not_count() -> None:
    said = [later(1, "reject", "mallory"), later(2, "confirm", "ann")]
    trusted = judge(told(1, said=said), "category", lambda one: one.author != "mallory")
    assert trusted is not None
    assert trusted.agreed
    assert judge(told(1, said=said), "category", lambda one: False) is None
