"""What no honest author would say is held back, and what honest ones say seldom is."""

from datetime import timedelta

import numpy as np
import pytest

from data.feedback_rows import FeedbackRow, Scope
from evaluation.trust import score_authors
from evaluation.trust_params import FeedbackParams
from evaluation.trust_suspicion import ExpectedErrors, suspect
from tests.feedback import make_row
from tests.stores import NOON

PARAMS = FeedbackParams()
CELL = Scope(target="category", predicted="network", label="printer")


def found(batch, history=(), expected: ExpectedErrors | None = None):
    authors = score_authors([*history, *batch], {}, PARAMS)
    suspicions = suspect(batch, history, authors, expected or {}, PARAMS)
    return {(one.test, str(one.scope)) for one in suspicions}


def crowd(n: int, random: np.random.Generator, start: int = 0, **facts) -> list[FeedbackRow]:
    """What ten honest authors say of n tickets: a confident model errs as often as it says."""
    rows = []
    for number in range(start, start + n):
        confidence = float(random.uniform(0.9, 1))
        wrong = random.random() > confidence
        label = str(random.choice(["printer", "mailbox"])) if wrong else "network"
        author = f"a{random.integers(10)}"
        rows.append(make_row(number, author=author, label=label, confidence=confidence, **facts))
    return rows


def test_honest_authors_are_seldom_suspected():
    """60 batches of 200 audited tickets.

    Six tests apply, each with an error of at most 0.01: 0.06 a batch at most, and more than 10 of
    60 have a probability of 0.001 then.
    """
    random = np.random.default_rng(11)
    alarms = 0
    for _ in range(60):
        history, batch = crowd(200, random, origin="audit"), crowd(200, random, 300, origin="audit")
        errors = {(NOON.date(), "category", "network"): sum(1 - r.confidence for r in batch)}
        history = [r.model_copy(update={"answered_at": NOON - timedelta(days=9)}) for r in history]
        alarms += bool(found(batch, history, errors))
    assert alarms <= 10


def test_people_who_speak_only_of_mistakes_are_not_suspected_for_it():
    random = np.random.default_rng(3)
    rows = [row for row in crowd(3_000, random) if row.flipped]
    errors = {(NOON.date(), "category", "network"): 150.0}
    assert found(rows, [], errors) == set()


def test_an_author_who_moves_audited_tickets_is_found():
    rows = [make_row(n, author=f"a{n % 10}", origin="audit") for n in range(300)]
    rows[::100] = [row.model_copy(update={"label": "printer"}) for row in rows[::100]]
    assert found(rows) == set()
    rows += [
        make_row(1_000 + n, author="eve", origin="audit", label="printer" if n < 8 else "network")
        for n in range(40)
    ]
    assert found(rows) == {("flips", "author eve")}


def test_an_author_who_is_known_to_be_wrong_is_held_back():
    rows = [make_row(n, author="eve", origin="audit", label=f"l{n}") for n in range(8)]
    assert ("disbelieved", "author eve") in found(rows)


def test_labels_outside_of_shortlists_are_found():
    review = {"origin": "review", "decision": "review", "shortlist": ("network", "mailbox")}
    rows = [make_row(n, author=f"a{n % 9}", **review) for n in range(90)]
    rows += [make_row(100 + n, author="eve", label="printer", **review) for n in range(8)]
    assert found(rows) == {("outside", "author eve")}
    unlisted = [row.model_copy(update={"shortlist": ()}) for row in rows]
    assert found(unlisted) == set()


def test_a_flood_is_found_and_a_busy_day_of_all_is_not():
    rows = [make_row(n, author=f"a{n % 10}") for n in range(100)]
    flood = [make_row(1_000 + n, author=None) for n in range(200)]
    assert found([*rows, *flood]) == {("flood", "all without an author")}
    assert found([make_row(n, author=f"a{n % 3}") for n in range(900)]) == set()
    assert found([make_row(n) for n in range(900)]) == set()  # one desk, nobody else to compare


def test_corrections_aimed_at_one_class_are_found():
    rows = [
        make_row(n, author=f"a{n % 10}", label=("mailbox", "phone", "laptop")[n % 3])
        for n in range(60)
    ]
    rows += [make_row(100 + n, author="eve", label="printer") for n in range(12)]
    assert found(rows) == {("aimed", "author eve")}


def test_corrections_of_what_the_model_was_surest_of_are_found():
    labels = ("mailbox", "phone", "printer")
    rows = [
        make_row(n, author=f"a{n % 10}", label=labels[n % 3], confidence=0.9 + n / 1_000)
        for n in range(50)
    ]
    rows += [
        make_row(100 + n, author="eve", label=labels[n % 3], confidence=0.99) for n in range(12)
    ]
    assert found(rows) == {("sure", "author eve")}


def test_more_moves_than_mistakes_are_impossible_whoever_makes_them():
    rows = [make_row(n, author=f"a{n}", label="printer") for n in range(30)]
    day = NOON.date()
    few = {(day, "category", "network"): 4.0, (day, "category", "other"): 99.0}
    assert found(rows, [], few) == {("impossible", str(CELL))}
    assert found(rows, [], {(day, "category", "network"): 20.0}) == set()


def test_moves_of_earlier_batches_use_up_the_mistakes_of_a_day():
    rows = [make_row(n, author=f"a{n}", label="printer") for n in range(20)]
    errors = {(NOON.date(), "category", "network"): 5.0}
    assert found(rows[:10], [], errors) == set()
    assert found(rows[10:], rows[:10], errors) == {("impossible", str(CELL))}


def test_a_class_that_is_suddenly_moved_by_many_is_found():
    random = np.random.default_rng(9)
    history = crowd(600, random)
    batch = [
        make_row(900 + n, author=f"a{n % 40}", label="printer" if n % 3 == 0 else "network")
        for n in range(120)
    ]
    assert ("sudden", str(CELL)) in found(batch, history)
    assert found(crowd(120, random, 900), history) == set()


def test_one_scope_is_told_once_with_all_reasons():
    history = crowd(600, np.random.default_rng(9))
    batch = [make_row(900 + n, author=f"a{n}", label="printer") for n in range(40)]
    errors = {(NOON.date(), "category", "network"): 1.0}
    authors = score_authors([*history, *batch], {}, PARAMS)
    moved = suspect(batch, history, authors, errors, PARAMS)
    assert [one.scope for one in moved] == [CELL]
    assert "; " in moved[0].reason


@pytest.mark.parametrize("arm", ["shadow"])
def test_what_nobody_was_told_cannot_be_moved(arm):
    rows = [make_row(n, author=f"a{n}", label="printer", arm=arm) for n in range(30)]
    assert found(rows, [], {(NOON.date(), "category", "network"): 0.1}) == set()
