"""How wide a cascade may be: as wide as held-out tickets and the certificate allow."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from models.cascade import Cascade, CascadeParams, joined
from models.cascade_fitting import ALLOWANCES, SHARES, fit_cascade, thresholds_of
from models.routing import lower_bound
from tests.models.cascades import draw_target, make_tickets

PARAMS = CascadeParams()


@lru_cache
def fitted(seed: int = 0, agreeing: float = 1.0) -> tuple[Cascade, object, dict[str, np.ndarray]]:
    target, rows = draw_target(np.random.default_rng(seed), agreeing)
    cascade = fit_cascade({"topic": target}, make_tickets(rows), PARAMS)
    assert cascade is not None
    return cascade, target, rows


def decided(cascade: Cascade, target: object, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Who stops; label and hand of both tiers; the same of the ensemble alone."""
    first, second = target.first[rows], target.second[rows]
    stopped = cascade.targets["topic"].stops(first)
    both = cascade.targets["topic"].routing.decide(joined(first, second, stopped))
    alone = target.policy.decide(second)
    return stopped, both.label, both.automatic, alone.label, alone.automatic


def test_tickets_it_has_not_seen_are_decided_as_by_the_ensemble_and_many_stop() -> None:
    """The bound may fail in 5 % of the draws: two of four would be one in 70 such tests."""
    broken = 0
    for seed in range(4):
        cascade, target, rows = fitted(seed)
        stopped, label, automatic, alone, routed = decided(cascade, target, rows["test"])
        assert stopped.mean() > 0.2
        broken += np.mean((label == alone) & (automatic == routed)) < PARAMS.agreement
    assert broken <= 1


def test_what_both_tiers_route_keeps_the_promise_in_every_class() -> None:
    """Of 8 promises, each may be broken with a chance of 5 %: three would be one in 170 tests."""
    broken = 0
    for seed in range(4):
        cascade, target, rows = fitted(seed)
        _, label, automatic, *_ = decided(cascade, target, rows["test"])
        truth = target.truth[rows["test"]]
        for position in range(2):
            own = automatic & (label == position)
            broken += (truth[own] == position).mean() < 0.95
    assert broken <= 2


def test_what_is_told_is_what_the_rows_show() -> None:
    cascade, target, rows = fitted()
    held_out = np.concatenate([rows["valid"], rows["calibration"]])
    stopped, label, automatic, alone, routed = decided(cascade, target, held_out)
    found = cascade.agreement
    different = int(np.sum((label != alone) | (automatic != routed)))
    assert (found.tickets, found.stopped, found.different) == (3000, stopped.sum(), different)
    assert found.lower_bound == lower_bound(3000 - different, 3000, 0.95) >= PARAMS.agreement
    proven = rows["out_of_fold"]
    _, label, automatic, *_ = decided(cascade, target, proven)
    for position, certificate in enumerate(cascade.targets["topic"].routing.classes.values()):
        own = automatic & (label == position)
        errors = int((target.truth[proven][own] != position).sum())
        assert (certificate.automatic, certificate.errors) == (own.sum(), errors)
        assert certificate.lower_bound >= 0.95
        assert certificate.threshold >= list(target.policy.classes.values())[position].threshold


def test_the_less_the_tiers_agree_the_fewer_stop() -> None:
    shares = [fitted(1, agreeing)[0].agreement.stopped for agreeing in (1.0, 0.99)]
    assert shares[0] > 1.2 * shares[1] > 0


def test_tiers_that_seldom_agree_well_enough_let_hardly_a_ticket_stop() -> None:
    target, rows = draw_target(np.random.default_rng(0), agreeing=0.8)
    found = fit_cascade({"topic": target}, make_tickets(rows), PARAMS)
    assert found is None or found.agreement.stopped < 40


def test_too_few_held_out_tickets_show_nothing() -> None:
    """Not even without a difference: 0.05 ** (1 / n) reaches 0.995 at 598 tickets."""
    target, rows = draw_target(np.random.default_rng(0))
    few = make_tickets(rows, valid=rows["valid"][:97], calibration=rows["calibration"][:500])
    assert fit_cascade({"topic": target}, few, PARAMS) is None
    enough = replace(few, valid=rows["valid"][:98])
    asked = PARAMS.model_copy(update={"agreement": 0.05 ** (1 / 598) - 1e-9})
    assert fit_cascade({"topic": target}, enough, asked) is not None


def test_novel_tickets_that_stop_count_as_decided_otherwise() -> None:
    target, rows = draw_target(np.random.default_rng(0))
    novel = np.random.default_rng(1).random(len(target.truth)) < 0.01
    known = fit_cascade({"topic": target}, make_tickets(rows), PARAMS)
    found = fit_cascade({"topic": target}, make_tickets(rows, novel=novel), PARAMS)
    assert known is not None
    assert found is None or found.agreement.stopped < 0.7 * known.agreement.stopped


def test_a_class_without_a_certificate_never_stops() -> None:
    target, rows = draw_target(np.random.default_rng(0))
    gone = {"threshold": None, "certified": False, "automatic": 0, "errors": 0}
    none = target.policy.classes["b"].model_copy(update=gone)
    shared = target.policy.classes["b"].model_copy(update={"by_share": True})
    for other in (none, shared):
        classes = {**target.policy.classes, "b": other}
        policy = target.policy.model_copy(update={"classes": classes})
        found = fit_cascade({"topic": replace(target, policy=policy)}, make_tickets(rows), PARAMS)
        assert found is not None
        assert found.targets["topic"].thresholds["b"] is None
        assert found.targets["topic"].thresholds["a"] is not None
        assert found.targets["topic"].routing.classes["b"] == other


def test_a_ticket_stops_where_all_targets_do() -> None:
    random = np.random.default_rng(0)
    topic, rows = draw_target(random)
    team, _ = draw_target(random)
    alone = fit_cascade({"topic": topic}, make_tickets(rows), PARAMS)
    found = fit_cascade({"topic": topic, "team": team}, make_tickets(rows), PARAMS)
    assert alone is not None
    assert found is not None
    held_out = np.concatenate([rows["valid"], rows["calibration"]])
    stopped = found.stops({"topic": topic.first, "team": team.first}, ["en"] * len(topic.truth))
    assert found.agreement.stopped == stopped[held_out].sum() < alone.agreement.stopped


def test_without_out_of_fold_rows_calibration_rows_alone_decide() -> None:
    target, rows = draw_target(np.random.default_rng(3), crossfit=False)
    target.first[rows["out_of_fold"]] = np.nan
    target.second[rows["out_of_fold"]] = np.nan
    tickets = make_tickets(rows, out_of_fold=rows["out_of_fold"][:0])
    found = fit_cascade({"topic": target}, tickets, PARAMS)
    assert found is not None
    assert found.agreement.tickets == len(rows["calibration"])
    assert found.targets["topic"].routing.excess is None


def test_thresholds_fall_as_more_is_allowed() -> None:
    random = np.random.default_rng(0)
    confidence = random.random(5000)
    found = thresholds_of(confidence, random.random(5000) < confidence)
    told = [limit for limit in found if limit is not None]
    assert len(told) > len(ALLOWANCES) // 2
    assert told == sorted(told, reverse=True)
    # Of answers at confidence c a share of 1 - c is decided otherwise.
    for allowance, limit in zip(ALLOWANCES, found[len(SHARES) :], strict=True):
        if allowance > 0.05:
            assert limit == pytest.approx(1 - allowance, abs=0.06)


def test_the_first_steps_are_parts_of_the_first_allowance() -> None:
    """Of 100 answers the surest 40 agree: 10, 20 and 30 of them stop before all do."""
    confidence = np.linspace(0, 0.99, 100)
    found = thresholds_of(confidence, confidence >= confidence[60])
    assert found[:4] == pytest.approx([confidence[at] for at in (90, 80, 70, 60)])


def test_a_class_nobody_answers_has_no_thresholds() -> None:
    assert set(thresholds_of(np.zeros(0), np.zeros(0, dtype=bool))) == {None}
    assert set(thresholds_of(np.ones(5), np.zeros(5, dtype=bool))) == {None}
