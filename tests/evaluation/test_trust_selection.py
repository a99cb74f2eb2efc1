"""Of all that was said one label per ticket is learned, and every other row has its reason."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from data.feedback_files import FeedbackFiles
from data.feedback_rows import Scope
from evaluation.trust import judge
from evaluation.trust_params import CapParams, FeedbackParams
from evaluation.trust_selection import apply_caps, select, vote
from tests.feedback import make_row, write_batches
from tests.stores import NOON

PARAMS = FeedbackParams()
PROVEN, NEW = judge(100, 1, PARAMS), judge(0, 0, PARAMS)


def chosen(rows, golden=None, params=PARAMS, folder: Path | None = None):
    assert folder is not None
    write_batches(folder, rows)
    files = FeedbackFiles(folder)
    return select([(b, files.read(b)) for b in files.batches.values()], golden or {}, params)


def test_nothing_gets_lost(tmp_path):
    rows = [make_row(n, author=f"a{n % 3}", label=("x", "y")[n % 2]) for n in range(30)]
    found = chosen(rows, folder=tmp_path)
    assert len(found.chosen) + len(found.set_aside) == len(rows)


def test_revoked_and_quarantined_rows_are_not_learned(tmp_path):
    names = write_batches(tmp_path, [make_row(1)], [make_row(2), make_row(3, author="bob")])
    files = FeedbackFiles(tmp_path)
    files.revoke(names[0], "a test", "carol", NOON)
    files.quarantine(names[1], Scope(author="bob"), ["odd"], "trust", NOON)
    found = select([(b, files.read(b)) for b in files.batches.values()], {}, PARAMS)
    assert [row.key for row in found.chosen] == ["key-2-anna"]
    assert found.counts == {"quarantined": 1, "revoked": 1}


def test_revoking_the_last_word_gives_the_word_before_back(tmp_path):
    first = make_row(1)
    second = make_row(1, label="printer", key="later", at=first.at + timedelta(days=1))
    names = write_batches(tmp_path, [first], [second])
    files = FeedbackFiles(tmp_path)

    def label():
        batches = [(b, files.read(b)) for b in files.batches.values()]
        return [row.label for row in select(batches, {}, PARAMS).chosen]

    assert label() == ["printer"]
    files.revoke(names[1], "a test", "carol", NOON)
    assert label() == ["network"]


def test_golden_and_audited_tickets_are_never_learned(tmp_path):
    rows = [make_row(1), make_row(2, origin="audit"), make_row(3)]
    golden = {rows[0].prediction_id: {"category": "network"}}
    found = chosen(rows, golden, folder=tmp_path)
    assert [row.key for row in found.chosen] == ["key-3-anna"]
    assert found.counts == {"evidence": 1, "golden": 1}
    both = PARAMS.model_copy(update={"learn_audit": True})
    assert len(chosen(rows, golden, both, tmp_path / "other").chosen) == 2


def test_who_is_surely_wrong_too_often_is_not_believed(tmp_path):
    rows = [make_row(n, origin="audit", label="printer", author="bob") for n in range(9)]
    rows += [make_row(50, author="bob"), make_row(51)]
    found = chosen(rows, folder=tmp_path)
    assert [row.key for row in found.chosen] == ["key-51-anna"]
    assert found.counts["author_not_believed"] == 1
    assert not found.authors["bob"].believed


def test_what_is_held_back_tells_of_its_author_until_a_person_vouches_for_it(tmp_path):
    wrong = [make_row(n, origin="audit", label="printer", author="bob") for n in range(9)]
    names = write_batches(tmp_path, [make_row(50, author="bob")], wrong)
    files = FeedbackFiles(tmp_path)
    files.quarantine(names[1], Scope(author="bob"), ["odd"], "trust", NOON)

    def now():
        return select([(b, files.read(b)) for b in files.batches.values()], {}, PARAMS)

    assert now().chosen == []
    files.release(names[1], "bob was right", "carol", NOON)
    assert [row.key for row in now().chosen] == ["key-50-bob"]
    files.quarantine(names[0], Scope(), ["odd"], "trust", NOON)
    files.release(names[0], "right as well", "carol", NOON)
    files.quarantine(names[1], Scope(author="bob"), ["odd again"], "trust", NOON)
    assert [row.key for row in now().chosen] == ["key-50-bob"]  # vouched for, whoever says it


def test_the_author_with_more_proof_outweighs_several_without():
    rows = [make_row(1, author=f"new-{n}", label="printer") for n in range(5)]
    rows.append(make_row(1, author="anna"))
    authors = {f"new-{n}": NEW for n in range(5)} | {"anna": PROVEN}
    kept, aside = vote(rows, authors)
    assert [row.name for row in kept] == ["anna"]
    assert Counter(why for _, why in aside) == {"outvoted": 5}


def test_equal_voices_teach_nothing_and_copies_are_learned_once():
    torn = [make_row(1, author="anna"), make_row(1, author="ben", label="printer")]
    kept, aside = vote(torn, {"anna": NEW, "ben": NEW})
    assert kept == []
    assert Counter(why for _, why in aside) == {"conflict": 2}
    copies = [make_row(1, text="Same text"), make_row(2, text="same TEXT!")]
    kept, aside = vote(copies, {"anna": NEW})
    assert kept == copies[:1]
    assert [why for _, why in aside] == ["duplicate"]


def test_an_author_has_one_voice_on_a_text_however_often_it_comes():
    rows = [make_row(n, text="same", author="bob", label="printer") for n in range(5)]
    rows += [make_row(10 + n, text="same", author=f"a{n}") for n in range(2)]
    kept, _ = vote(rows, {"bob": NEW, "a0": NEW, "a1": NEW})
    assert [row.label for row in kept] == ["network"]


CAPS = CapParams(unproven_day=3, author_day=6, author_class=1, class_day=1_000, free=0)


@pytest.mark.parametrize(("author", "most"), [(NEW, 3), (PROVEN, 6)])
def test_a_day_of_an_author_is_capped_by_proof(author, most):
    rows = [make_row(n, day=n % 2) for n in range(20)]
    kept, over = apply_caps(rows, {"anna": author}, CAPS)
    assert Counter(row.at.date() for row in kept) == dict.fromkeys(
        {row.at.date() for row in rows}, most
    )
    assert {why for _, why in over} == {"over_author_day"}


def test_a_class_takes_no_more_than_its_share_a_day():
    rows = [make_row(n, author=f"a{n}") for n in range(20)]
    caps = CAPS.model_copy(update={"class_day": 8})
    kept, over = apply_caps(rows, {f"a{n}": NEW for n in range(20)}, caps)
    assert len(kept) == 8
    assert {why for _, why in over} == {"over_class_day"}


def test_no_author_makes_up_more_than_the_share_of_a_class():
    rows = [make_row(n, author="bob") for n in range(60)]
    rows += [make_row(100 + n, author=f"a{n}") for n in range(10)]
    caps = CapParams(author_class=0.5, free=4, author_day=1_000)
    authors = {"bob": PROVEN} | {f"a{n}": NEW for n in range(10)}
    kept, over = apply_caps(rows, authors, caps)
    assert Counter(row.name == "bob" for row in kept) == {True: 10, False: 10}
    assert Counter(why for _, why in over) == {"over_author_class": 50}
    alone, _ = apply_caps(rows[:60], authors, caps)
    assert len(alone) == 4


def test_which_rows_a_cap_keeps_depends_on_no_key_or_order():
    rows = [make_row(n) for n in range(20)]
    again = [row.model_copy(update={"key": f"other-{row.key}"}) for row in reversed(rows)]
    first, second = (apply_caps(r, {"anna": NEW}, CAPS)[0] for r in (rows, again))
    assert {row.prediction_id for row in first} == {row.prediction_id for row in second}
