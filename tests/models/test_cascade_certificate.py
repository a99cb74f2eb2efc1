"""The certificate of one class on what both tiers route."""

import numpy as np
import pytest

from models.cascade_certificate import certify_both, certify_class_again
from models.routing import ClassCertificate, lower_bound
from tests.models.cascades import certificate, draw_target

N = 4000


def rows(errors_below: int, at: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Confidences from `at` to 1; the lowest few wrong, and 3 % of the rest, evenly."""
    confidence = np.linspace(at, 1, N)
    correct = np.arange(N) % 33 != 0
    correct[:errors_below] = False
    return confidence, correct


def certified(answered: tuple[np.ndarray, np.ndarray], error: float = 0.02) -> ClassCertificate:
    confidence, correct = answered
    wrong = int((~correct).sum())
    changes = {
        "threshold": float(confidence.min()),
        "rows": len(confidence),
        "automatic": len(confidence),
        "errors": wrong,
        "lower_bound": lower_bound(len(confidence) - wrong, len(confidence), 1 - error),
    }
    return certificate().model_copy(update=changes)


def test_the_same_answers_keep_the_same_certificate() -> None:
    alone = rows(40)
    given = certified(alone)
    assert given.lower_bound >= 0.95
    found = certify_class_again(given, alone, alone, 0.95)
    assert found.model_copy(update={"lower_bound": given.lower_bound}) == given
    assert found.lower_bound == pytest.approx(given.lower_bound, abs=1e-9)


def test_a_few_errors_more_raise_the_threshold_by_little() -> None:
    alone = rows(50)
    given = certified(alone)
    both = (alone[0], alone[1].copy())
    both[1][50:70] = False  # the least sure, which a higher threshold leaves out
    found = certify_class_again(given, alone, both, 0.95)
    assert given.lower_bound >= 0.95
    assert found.certified
    assert given.threshold < found.threshold < given.threshold + 0.05
    above = both[0] >= found.threshold
    assert (found.automatic, found.errors) == (above.sum(), (above & ~both[1]).sum())
    assert found.lower_bound >= 0.95


def test_errors_among_the_surest_take_the_certificate_away() -> None:
    alone = rows(50)
    both = (alone[0], alone[1].copy())
    both[1][-200:] = False
    found = certify_class_again(certified(alone), alone, both, 0.95)
    assert (found.certified, found.threshold, found.automatic) == (False, None, 0)
    assert found.reason.startswith("both tiers together: bound 0.9")


def test_a_class_so_small_that_only_its_own_threshold_proves_it_keeps_it() -> None:
    alone = (np.linspace(0.8, 1, 80), np.ones(80, dtype=bool))
    given = certified(alone)
    assert 0.95 < given.lower_bound < 0.96
    assert certify_class_again(given, alone, alone, 0.95).threshold == given.threshold


def test_more_is_shown_where_more_is_asked() -> None:
    alone = rows(50)
    given = certified(alone)
    asked = given.lower_bound + 0.004
    found = certify_class_again(given, alone, alone, asked)
    assert found.threshold > given.threshold
    assert found.lower_bound >= asked


@pytest.mark.parametrize("seed", range(6))
def test_tiers_that_answer_alike_have_the_thresholds_and_the_excess_of_the_ensemble(
    seed: int,
) -> None:
    """Whatever chance makes of the excess on the few calibration rows."""
    target, drawn = draw_target(np.random.default_rng(seed))
    policy = target.policy
    assert policy.excess is not None
    same = target.rows(drawn["out_of_fold"], target.second)
    held_out = target.rows(drawn["calibration"], target.second)
    found = certify_both(policy, same, same, (held_out, held_out))
    assert found.excess is not None
    assert (found.excess.bound, found.excess.asked) == (policy.excess.bound, policy.excess.asked)
    for name, kept in policy.classes.items():
        assert found.classes[name].threshold == kept.threshold
