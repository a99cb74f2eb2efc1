"""The map that makes a confidence mean what it says, and what it must never change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.calibration import fit_temperature, log_loss
from models.confidence_map import ConfidenceMap, choose_map, fit_map
from models.ensemble import Combination
from models.pooling import LogPool

CURVED = ConfidenceMap(confidences=(0.0, 0.5, 0.9, 1.0), accuracies=(0.0, 0.4, 0.8, 0.999))


def draw(n: int, seed: int, bent: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Answers over three classes; bent: right oftener than said at the top, less in the middle."""
    rng = np.random.default_rng(seed)
    told = rng.uniform(0.5, 1.0, n)
    worth = np.where(told > 0.9, 0.5 + 0.5 * told, told - 0.12) if bent else told
    probabilities = np.stack([told, 0.7 * (1 - told), 0.3 * (1 - told)], axis=1)
    truth = np.where(rng.random(n) < worth, 0, np.where(rng.random(n) < 0.7, 1, 2))
    return probabilities, truth.astype(np.int64)


def error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Largest gap between confidence and accuracy over tenths of the scale."""
    told = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((told * 10).astype(int), 9)
    return max(
        abs(right[bins == b].mean() - told[bins == b].mean())
        for b in np.unique(bins)
        if (bins == b).sum() > 200
    )


def test_confidence_is_set_right_where_no_temperature_can() -> None:
    seen, unseen = draw(20_000, 1), draw(20_000, 2)
    found = fit_map(*seen)
    assert found is not None
    mapped = found.apply(unseen[0])
    warmed = unseen[0] ** (1 / fit_temperature(*seen))
    warmed /= warmed.sum(axis=1, keepdims=True)
    assert error(mapped, unseen[1]) < 0.03 < 0.06 < error(warmed, unseen[1])
    assert log_loss(mapped, unseen[1]) < log_loss(warmed, unseen[1])


@given(
    st.lists(
        st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4), min_size=1, max_size=8
    ).map(lambda rows: np.array(rows, dtype=np.float64) + 1e-9)
)
def test_neither_the_answer_nor_the_sum_nor_the_order_of_the_others_changes(
    raw: np.ndarray,
) -> None:
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    mapped = CURVED.apply(probabilities)
    np.testing.assert_allclose(mapped.sum(axis=1), 1)
    assert ((mapped >= 0) & (mapped <= 1)).all()
    top = probabilities.argmax(axis=1)
    rows = np.arange(len(top))
    assert (mapped[rows, top] >= mapped.max(axis=1) - 1e-9).all()
    others, told = probabilities.copy(), mapped.copy()
    others[rows, top] = told[rows, top] = -1
    assert (np.diff(np.take_along_axis(told, others.argsort(axis=1), axis=1)) >= -1e-9).all()


def test_a_surer_answer_stays_the_surer_one() -> None:
    told = np.linspace(0.5, 1.0, 500)
    mapped = CURVED.apply(np.stack([told, 1 - told], axis=1))[:, 0]
    assert (np.diff(mapped) >= 0).all()
    assert (np.diff(mapped[mapped > 0.501]) > 0).all(), (
        "alike only where the next class is as likely"
    )


def test_a_map_is_left_out_where_confidence_means_what_it_says() -> None:
    probabilities, truth = draw(3000, 3, bent=False)
    chosen = choose_map(probabilities, truth, np.arange(3000) % 5)
    assert chosen.map is None
    assert chosen.probabilities is probabilities
    assert not chosen.gain.counts


def test_rows_are_mapped_by_what_other_parts_say() -> None:
    probabilities, truth = draw(6000, 4)
    folds = np.arange(6000) % 5
    chosen = choose_map(probabilities, truth, folds)
    assert chosen.map is not None
    assert chosen.gain.counts
    assert chosen.gain.error > 0
    first = folds == 0
    others = fit_map(probabilities[~first], truth[~first])
    assert others is not None
    np.testing.assert_array_equal(chosen.probabilities[first], others.apply(probabilities[first]))


@pytest.mark.parametrize("n", [0, 1, 50])
def test_rows_that_tell_nothing_give_no_map(n: int) -> None:
    probabilities = np.tile([0.8, 0.2], (n, 1))
    assert fit_map(probabilities, np.zeros(n, dtype=np.int64)) is None


def test_nothing_is_certain_however_few_mistakes_were_seen() -> None:
    rng = np.random.default_rng(5)
    told = rng.uniform(0.6, 1, 400)
    truth = (told < 0.7).astype(np.int64)  # above 0.7 never wrong
    found = fit_map(np.stack([told, 1 - told], axis=1), truth)
    assert found is not None
    assert found.apply(np.array([[0.999, 0.001]])).max() < 1


@pytest.mark.parametrize(
    ("confidences", "accuracies"),
    [
        ((0.0, 1.0), (0.0, 0.5, 1.0)),
        ((0.0, 0.5, 0.5, 1.0), (0.0, 0.3, 0.4, 1.0)),
        ((0.0, 0.5, 1.0), (0.0, 0.9, 0.8)),
        ((0.0, 1.5), (0.0, 1.0)),
    ],
)
def test_what_does_not_rise_is_refused(
    confidences: tuple[float, ...], accuracies: tuple[float, ...]
) -> None:
    with pytest.raises(ValidationError, match=r"needed|rise"):
        ConfidenceMap(confidences=confidences, accuracies=accuracies)


@pytest.mark.parametrize("pooled", [True, False])
def test_temperatures_are_fitted_through_the_map(pooled: bool) -> None:
    """Final members that are surer than those of the folds are cooled before they are mapped."""
    probabilities, truth = draw(20_000, 6)
    found = fit_map(probabilities, truth)
    assert found is not None
    surer = probabilities**1.5
    surer /= surer.sum(axis=1, keepdims=True)
    pool = LogPool(weights={"a": (1.0, 1.0, 1.0)}, bias=(0.0, 0.0, 0.0)) if pooled else None
    before = Combination(temperatures={"a": 1.0}, weights={"a": 1.0}, temperature=1.0, pool=pool)
    after = before.mapped(found, {"a": surer}, truth)
    told = after.combine({"a": surer})
    assert np.abs(told - found.apply(probabilities)).mean() < 0.01
    assert after.temperature == pytest.approx(1.5, abs=0.1)
    assert Combination.model_validate_json(after.model_dump_json()) == after
