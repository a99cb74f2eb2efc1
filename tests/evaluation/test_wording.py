"""Figures in words never say more than the figures."""

import pytest

from evaluation.wording import (
    count,
    headline,
    held_out_check,
    hundred_tickets,
    interval,
    languages_check,
    levels_check,
    listing,
    number,
    of_hundred,
    percent,
    uncertified,
)


@pytest.mark.parametrize(
    ("share", "digits", "told"),
    [
        (0.8661, 1, "86.6\u00a0%"),
        (0.99999, 1, ">99.9\u00a0%"),
        (1.0, 1, "100.0\u00a0%"),
        (0.0001, 1, "<0.1\u00a0%"),
        (0.004, 0, "<1\u00a0%"),
        (0.0, 0, "0\u00a0%"),
        (None, 1, "–"),
    ],
)
def test_a_share_is_never_rounded_to_none_or_to_all(
    share: float | None, digits: int, told: str
) -> None:
    assert percent(share, digits) == told


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.824, "82"), (0.999, "more than 99"), (1.0, "100"), (0.001, "fewer than 1"), (0.0, "0")],
)
def test_a_hundred_tickets_in_words(share: float, told: str) -> None:
    assert of_hundred(share) == told


def test_what_is_missing_is_a_dash_or_nothing() -> None:
    assert (number(None), count(None), interval(None)) == ("–", "–", "")
    assert (number(0.12345), count(9568), interval([0.1, 0.256])) == (
        "0.123",
        "9\u2009568",
        "10.0–25.6",
    )


@pytest.mark.parametrize(
    ("automatic", "accuracy", "expected"),
    [
        (0.82, 0.97, {"right": 80, "wrong": 2, "review": 18}),
        (0.30, 0.999, {"right": 29, "wrong": 1, "review": 70}),
        (0.0, None, {"right": 0, "wrong": 0, "review": 100}),
        (1.0, 1.0, {"right": 100, "wrong": 0, "review": 0}),
    ],
)
def test_a_hundred_tickets_are_shared_out_and_mistakes_stay_visible(
    automatic: float, accuracy: float | None, expected: dict[str, int]
) -> None:
    shared = hundred_tickets(automatic, accuracy)
    assert shared == expected
    assert sum(shared.values()) == 100


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [listing([]), listing(["a"]), listing(["a", "b", "c"])] == ["", "a", "a, b and c"]


def test_the_headline_is_what_a_manager_reads() -> None:
    figures = {"certified_automation": 0.8234, "automatic_accuracy": 0.9712}
    assert headline(figures) == (
        "82 of 100 tickets can be routed without a person.",
        "Of those, 97 of 100 go to the right place.",
    )


@pytest.mark.parametrize("automatic", [0.0, None])
def test_the_headline_admits_that_nothing_is_certified(automatic: float | None) -> None:
    first, _ = headline({"certified_automation": automatic, "automatic_accuracy": None})
    assert first == "No ticket is routed without a person yet."


def test_labels_without_certificate_are_named() -> None:
    classes = [{"label": "a", "certified": True}, {"label": "b", "certified": False}]
    assert uncertified(classes) == ["b"]


def checked(**excess: float) -> dict[str, object]:
    found = {"automatic": 1919, "errors": 64, "expected": 81.3, "bound": 0.0, "asked": 0.95}
    classes = {"a": {"by_share": False}, "b": {"by_share": True}, "c": {}}
    return {"excess": {**found, **excess}, "classes": classes}


@pytest.mark.parametrize(
    ("excess", "told"),
    [
        ({}, "That the final models err more is ruled out."),
        (
            {"bound": 0.002, "asked": 0.952},
            "up to 0.20 points cannot be ruled out, so 95.20\u00a0%",
        ),
        ({"bound": 0.06, "asked": 1.0}, "leaves open more errors than are promised"),
    ],
)
def test_the_check_on_held_out_tickets_is_told(excess: dict[str, float], told: str) -> None:
    words = held_out_check(checked(**excess))
    assert "1\u2009919 lie above" in words
    assert "64 of them are wrong, where 81 were to be expected" in words
    assert told in words
    assert words.endswith(
        "b did not reach that and took over the certified share of its tickets instead."
    )


def test_a_policy_certified_by_its_own_answers_needs_no_check() -> None:
    assert held_out_check({"excess": None, "classes": {}}) == held_out_check({}) == ""


def test_levels_are_told_where_labels_stand_in_order() -> None:
    assert levels_check({"accuracy": 0.9}) == ""
    assert levels_check({"level_error": 0.314, "quadratic_kappa": None}) == (
        "The answer is 0.31 levels off on average."
    )
    told = levels_check({"level_error": 0.314, "quadratic_kappa": 0.5})
    assert told.endswith("quadratic kappa 0.50.")


def test_languages_without_proof_are_named() -> None:
    found = {"automatic": 1200, "lower_bound": 0.957, "certified": True}
    few = {"automatic": 4, "lower_bound": 0.4, "certified": False}
    assert languages_check({}) == ""
    told = languages_check({"languages": {"en": found, "fr": few}})
    assert "en (1\u2009200 routed, 95.7" in told
    assert "In fr too few were seen" in told
    assert "any other language goes to a person" in told
    alone = languages_check({"languages": {"fr": few}})
    assert alone.startswith("In fr too few")
