"""The certificate: exact where it is given, absent where it is not earned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from models.routing import (
    RoutingParams,
    certify_class,
    descent,
    fit_policy,
    lower_bound,
    start_threshold,
)
from tests.populations import draw, lowest_threshold


def test_the_lower_bound_is_the_largest_accuracy_an_exact_test_rejects() -> None:
    bound = lower_bound(97, 100, 0.95)
    assert binom.sf(96, 100, bound) == pytest.approx(0.05)


def test_59_right_answers_out_of_59_certify_95_percent_and_58_do_not() -> None:
    assert lower_bound(59, 59, 0.95) >= 0.95 > lower_bound(58, 58, 0.95)


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_lower_bound_lies_below_the_measured_share(right: int, wrong: int) -> None:
    total = right + wrong
    bound = lower_bound(right, total, 0.95)
    assert 0 <= bound <= (right / total if total else 0)


@pytest.mark.parametrize("start", [1.0, 0.93, 0.2, 1e-12])
def test_the_descent_falls_and_spends_the_whole_error(start: float) -> None:
    steps = descent(start, 50)
    thresholds = [threshold for threshold, _ in steps]
    assert thresholds == sorted(thresholds, reverse=True)
    assert np.isfinite(thresholds).all()
    assert sum(share for _, share in steps) == pytest.approx(1)


def test_a_broken_promise_is_rarer_than_the_confidence_says() -> None:
    """300 certificates on populations where the true accuracy above any threshold is known.

    5 % may be broken, which is 15 give or take 3.8: 27 would be three standard errors too many.
    """
    random = np.random.default_rng(7)
    params, gap, broken, given_out = RoutingParams(steps=60), 0.01, 0, 0
    lowest = lowest_threshold(0.95, gap)
    for _ in range(150):
        rows, valid = draw(random, 1500, gap), draw(random, 300, gap)
        for certificate in fit_policy(rows, valid, ("a", "b"), params, "test").classes.values():
            if certificate.threshold is not None:
                given_out += 1
                broken += certificate.threshold < lowest - 0.001
    assert given_out > 150
    assert broken <= 26


def test_a_promise_for_all_classes_at_once_is_stricter() -> None:
    random = np.random.default_rng(1)
    rows, valid = draw(random, 4000), draw(random, 800)
    each = fit_policy(rows, valid, ("a", "b"), RoutingParams(), "test")
    together = fit_policy(rows, valid, ("a", "b"), RoutingParams(family="all"), "test")
    assert 0 < together.certified_automation < each.certified_automation


def test_a_class_that_is_wrong_too_often_is_never_routed() -> None:
    random = np.random.default_rng(2)
    probabilities, truth = draw(random, 3000)
    valid = draw(random, 600)
    always_wrong = probabilities.argmax(axis=1) == 1
    truth = np.where(always_wrong, 0, truth)
    policy = fit_policy((probabilities, truth), valid, ("a", "b"), RoutingParams(), "test")
    assert policy.classes["b"].threshold is None
    assert not policy.classes["b"].certified
    assert "below 0.95" in policy.classes["b"].reason
    decisions = policy.decide(probabilities)
    assert not decisions.automatic[decisions.label == 1].any()
    assert policy.reason("b", automatic=False) == "class_not_certified"


def test_a_class_nobody_predicts_says_why_it_holds_no_certificate() -> None:
    policy = fit_policy(
        (np.empty((0, 2)), np.empty(0, dtype=int)),
        (np.empty((0, 2)), np.empty(0, dtype=int)),
        ("a", "b"),
        RoutingParams(),
        "test",
    )
    assert policy.certified_automation == 0
    assert all("prospect" in c.reason for c in policy.classes.values())


def test_a_start_without_calibration_rows_certifies_nothing() -> None:
    none = np.empty(0)
    certificate = certify_class(none, none.astype(bool), 0.9, RoutingParams(), 0.95)
    assert not certificate.certified
    assert "no calibration row" in certificate.reason


def test_the_start_lies_where_a_test_is_surest_to_pass() -> None:
    confidence = np.linspace(0.5, 1.0, 400)
    correct = confidence > 0.7
    start = start_threshold(confidence, correct, 0.95, 2000)
    assert start is not None
    assert 0.7 <= start <= 0.95


def test_the_counts_are_those_of_the_decisions() -> None:
    random = np.random.default_rng(3)
    probabilities, truth = draw(random, 4000)
    policy = fit_policy((probabilities, truth), draw(random, 800), ("a", "b"), RoutingParams(), "t")
    decisions = policy.decide(probabilities)
    for position, certificate in enumerate(policy.classes.values()):
        rows = decisions.automatic & (decisions.label == position)
        assert certificate.automatic == rows.sum()
        assert certificate.errors == (truth[rows] != position).sum()
    assert policy.certified_automation == pytest.approx(decisions.automatic.mean())
    assert policy.reason("a", automatic=True) == "certified"
    assert policy.reason("a", automatic=False) == "below_threshold"
