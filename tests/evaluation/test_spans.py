"""A span is right as a whole or wrong, and intervals know about groups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.spans import MICRO, score_spans

EXPECTED = [{(0, 3, "ip"), (5, 9, "url")}, {(2, 4, "ip")}, set()]
FOUND = [{(0, 3, "ip"), (5, 8, "url")}, {(2, 4, "url")}, {(1, 2, "ip")}]

SPANS = st.sets(
    st.tuples(st.integers(0, 3), st.integers(4, 6), st.sampled_from(["ip", "url"])), max_size=5
)
TEXTS = st.lists(st.tuples(SPANS, SPANS), max_size=6)


def test_start_end_and_kind_must_all_be_right() -> None:
    scores = score_spans(EXPECTED, FOUND, draws=0)
    micro = scores[MICRO]
    assert (micro.matched, micro.found, micro.expected) == (1, 4, 3)
    assert micro.precision == pytest.approx(1 / 4)
    assert micro.recall == pytest.approx(1 / 3)
    assert micro.f1 == pytest.approx(2 / 7)  # 2 * 1 / (4 + 3)
    assert (scores["ip"].matched, scores["ip"].found, scores["ip"].expected) == (1, 2, 2)
    assert scores["url"].f1 == 0


def test_all_together_come_first_then_the_kinds_by_name() -> None:
    assert list(score_spans(EXPECTED, FOUND, draws=0)) == [MICRO, "ip", "url"]


def test_nothing_to_divide_by_is_no_score() -> None:
    [micro] = score_spans([set()], [set()]).values()
    assert (micro.precision, micro.recall, micro.f1, micro.f1_ci) == (None, None, None, None)
    missed = score_spans([{(0, 1, "ip")}], [set()], draws=0)["ip"]
    assert (missed.precision, missed.recall, missed.f1) == (None, 0, 0)
    assert score_spans([], [])[MICRO].f1 is None


def test_texts_must_stand_side_by_side() -> None:
    with pytest.raises(ValueError, match="1 texts annotated, 2 searched"):
        score_spans([set()], [set(), set()])


def test_without_draws_there_are_no_intervals() -> None:
    assert score_spans(EXPECTED, FOUND, draws=0)[MICRO].f1_ci is None


def test_the_interval_holds_the_value_and_narrows_with_more_texts() -> None:
    few, many = (score_spans(EXPECTED * times, FOUND * times, seed=1)[MICRO] for times in (10, 250))
    for scores in (few, many):
        assert scores.f1 is not None
        assert scores.f1_ci is not None
        assert scores.f1_ci[0] < scores.f1 < scores.f1_ci[1]
    assert few.f1_ci is not None
    assert many.f1_ci is not None
    # 25 times the texts: a fifth of the width.
    assert _width(many.f1_ci) == pytest.approx(_width(few.f1_ci) / 5, rel=0.3)


def test_copies_in_one_group_do_not_narrow_it() -> None:
    once = score_spans(EXPECTED * 10, FOUND * 10, seed=1)[MICRO]
    groups = [str(n // 4) for n in range(120)]
    copies = score_spans(
        [spans for spans in EXPECTED * 10 for _ in range(4)],
        [spans for spans in FOUND * 10 for _ in range(4)],
        groups=groups,
        seed=1,
    )[MICRO]
    assert once.f1_ci is not None
    assert copies.f1_ci is not None
    assert _width(copies.f1_ci) == pytest.approx(_width(once.f1_ci), rel=0.2)


@given(TEXTS)
def test_the_kinds_add_up_to_the_whole(texts: list[tuple[set, set]]) -> None:
    scores = score_spans([right for right, _ in texts], [ours for _, ours in texts], draws=0)
    micro = scores.pop(MICRO)
    for count in ("matched", "found", "expected"):
        assert getattr(micro, count) == sum(getattr(score, count) for score in scores.values())


@given(TEXTS)
def test_f1_is_the_same_whichever_side_is_called_right(texts: list[tuple[set, set]]) -> None:
    right, ours = [one for one, _ in texts], [other for _, other in texts]
    forth, back = score_spans(right, ours, draws=0)[MICRO], score_spans(ours, right, draws=0)[MICRO]
    assert forth.f1 == back.f1
    assert forth.precision == back.recall


def _width(interval: list[float]) -> float:
    return interval[1] - interval[0]
