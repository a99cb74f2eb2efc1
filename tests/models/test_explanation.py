"""The words behind an answer add up to the score they explain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import NotFittedError
from models.explanation import MOST_WORDS, WordExplainer
from models.linear import LinearMember, LinearParams

TEXTS = [
    "the vpn drops every hour, please fix the vpn",
    "vpn tunnel broken since monday",
    "invoice has the wrong amount",
    "please send the invoice again",
    "printer is out of paper",
    "the printer jams on every page",
] * 3
LABELS: list[str | None] = ["net", "net", "billing", "billing", "desk", "desk"] * 3
URGENT: list[str | None] = ["no", "yes", "no", "no", "yes", "no"] * 3


@pytest.fixture(scope="module")
def member() -> LinearMember:
    params = LinearParams(min_df=1, characters=(2, 4))
    return LinearMember(params).fit(TEXTS, {"queue": LABELS, "urgent": URGENT})


@pytest.fixture(scope="module")
def explainer(member) -> WordExplainer:
    return WordExplainer(member)


def score(member: LinearMember, text: str, target: str, position: int) -> float:
    """Score of a class less the mean score of all classes, without the intercepts."""
    head = member._heads[target]
    rows = head.weights.T
    if len(rows) == 1:
        rows = np.vstack([-rows, rows])
    scores = np.asarray(member.encode([text]) @ rows.T)[0]
    return float(scores[position] - scores.mean())


@pytest.mark.parametrize("target", ["queue", "urgent"])
def test_the_weights_of_all_words_add_up_to_the_score(member, explainer, target):
    for text in TEXTS[:6]:
        for position in range(len(member.targets_[target])):
            total = sum(explainer.weights(text, target, position).values())
            assert total == pytest.approx(score(member, text, target, position), abs=1e-5)


@given(st.text(max_size=200))
def test_no_text_breaks_the_sum(member, explainer, text):
    total = sum(explainer.weights(text, "queue", 0).values())
    assert total == pytest.approx(score(member, text, "queue", 0), abs=1e-5)


def test_the_telling_word_comes_first(member, explainer):
    position = member.targets_["queue"].index("net")
    words = explainer.explain("Please look at my VPN, the printer is fine", {"queue": position})
    assert words["queue"][0].word == "vpn"
    assert all(word.weight > 0 for word in words["queue"])


def test_few_words_are_named_by_falling_weight(member, explainer):
    words = explainer.explain(" ".join(TEXTS), {"queue": 0})["queue"]
    weights = [word.weight for word in words]
    assert len(words) == MOST_WORDS
    assert weights == sorted(weights, reverse=True)


def test_a_text_without_known_words_has_no_reasons(explainer):
    assert explainer.explain("", {"queue": 0}) == {"queue": ()}


def test_an_unfitted_member_cannot_be_explained():
    with pytest.raises(NotFittedError):
        WordExplainer(LinearMember())
