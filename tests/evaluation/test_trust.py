"""Authors are judged by what they had to answer, and never by their own word."""

from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import beta

from data.golden import GoldenTicket
from evaluation.trust import find_golden, judge, newest_of_each, score_authors, text_keys
from evaluation.trust_params import FeedbackParams
from tests.feedback import make_row

PARAMS = FeedbackParams()


def audited(number, **facts):
    return make_row(number, origin="audit", propensity=0.1, **facts)


def test_the_bounds_are_quantiles_of_the_posterior():
    author = judge(8, 2, PARAMS)
    assert author.low == pytest.approx(beta.ppf(0.05, 9, 3))
    assert author.high == pytest.approx(beta.ppf(0.95, 9, 3))
    assert (author.proven, author.believed) == (False, True)
    assert judge(60, 2, PARAMS).proven
    assert not judge(5, 20, PARAMS).believed


def test_the_lower_bound_holds_as_often_as_promised():
    """Of authors who agree at a rate drawn from the prior, 95 % lie above their lower bound."""
    random = np.random.default_rng(7)
    rate = random.uniform(size=2_000)
    agreed = random.binomial(30, rate)
    above = [judge(k, 30 - k, PARAMS).low <= p for k, p in zip(agreed, rate, strict=True)]
    assert np.mean(above) == pytest.approx(0.95, abs=0.015)  # three standard errors


def test_what_nobody_asked_for_says_nothing_about_an_author():
    rows = [make_row(n, label="printer") for n in range(50)]
    assert score_authors(rows, {}, PARAMS)["anna"].agreed == 0
    assert score_authors(rows, {}, PARAMS)["anna"].believed


def test_a_certified_answer_counts_as_right_where_nobody_else_spoke():
    rows = [audited(n, label="printer" if n < 3 else "network") for n in range(10)]
    found = score_authors(rows, {}, PARAMS)["anna"]
    assert found.agreed == pytest.approx(7, rel=1e-3)
    assert found.disagreed == pytest.approx(3, rel=1e-3)
    review = [audited(n, decision="review") for n in range(10)]
    assert score_authors(review, {}, PARAMS)["anna"].agreed == 0


def test_other_authors_go_before_the_model_and_a_tie_tells_nothing():
    rows = [audited(1, author=name, label="printer") for name in ("anna", "ben", "carl")]
    rows.append(audited(1, author="dora"))
    found = score_authors(rows, {}, PARAMS)
    assert found["anna"].agreed == pytest.approx(1)
    assert found["dora"].disagreed == pytest.approx(1)
    torn = [audited(1, author=a, label=b) for a, b in (("ben", "x"), ("carl", "y"), ("anna", "x"))]
    assert score_authors(torn, {}, PARAMS)["anna"].agreed == 0  # ben says x, carl says y


def test_the_golden_set_goes_before_everybody():
    rows = [make_row(1, author=name, label="printer") for name in ("anna", "ben")]
    golden = {rows[0].prediction_id: {"category": "network"}}
    assert score_authors(rows, golden, PARAMS)["anna"].disagreed == pytest.approx(1)


def test_what_was_said_long_ago_counts_less():
    rows = [audited(1, label="printer"), audited(2, day=180)]
    rows[1] = rows[1].model_copy(update={"at": rows[0].at + timedelta(days=180)})
    found = score_authors(rows, {}, PARAMS)["anna"]
    assert found.disagreed == pytest.approx(0.5)
    assert found.agreed == pytest.approx(1)


def test_the_nameless_are_one_author_and_nobody_is_none():
    assert list(score_authors([make_row(1, author=None), make_row(2, author=None)], {}, PARAMS)) \
        == [""]  # fmt: skip
    assert score_authors([], {}, PARAMS) == {}


def test_the_last_word_of_an_author_counts():
    first, second = make_row(1), make_row(1, label="printer", key="later")
    second = second.model_copy(update={"at": first.at + timedelta(hours=1)})
    other = make_row(1, author="ben")
    kept, replaced = newest_of_each([second, other, first])
    assert {row.key for row in kept} == {second.key, other.key}
    assert replaced == [first]


def test_tickets_like_golden_ones_are_found():
    text = "The printer in the hall of the second floor does not print a page any more"
    golden = [GoldenTicket(id="g", text=text, labels={"category": "printer"})]
    rows = [make_row(1, text=text.upper() + "!"), make_row(2)]
    assert find_golden(rows, golden, 0.9, 5) == {rows[0].prediction_id: {"category": "printer"}}
    assert find_golden(rows, [], 0.9, 5) == {}
    assert len(set(text_keys([rows[0], make_row(3, text=text), rows[1]]))) == 2
