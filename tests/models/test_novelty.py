"""Novelty: far points score high, the threshold keeps its promise, what is saved answers alike."""

import time

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from data.errors import BundleError, ModelError, NotFittedError
from models.distances import DISTANCES
from models.novelty import NoveltyDetector, NoveltyParams

METHODS = tuple(DISTANCES)
DIMENSION = 16

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def draw_known(n: int, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Three classes, each a ball of radius about 1 around an axis ten away from the origin."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 3, n)
    rows = 10 * np.eye(DIMENSION)[classes] + 0.25 * random.normal(size=(n, DIMENSION))
    return rows.astype(np.float32), classes.tolist()


def draw_novel(n: int) -> np.ndarray:
    """A fourth class, around an axis no known one has."""
    random = np.random.default_rng(9)
    return (10 * np.eye(DIMENSION)[7] + 0.25 * random.normal(size=(n, DIMENSION))).astype(
        np.float32
    )


@pytest.fixture(params=METHODS)
def detector(request: pytest.FixtureRequest) -> NoveltyDetector:
    return NoveltyDetector(NoveltyParams(method=request.param)).fit(*draw_known(300))


def test_every_row_of_a_class_never_seen_scores_above_every_known_one(detector) -> None:
    known, novel = detector.score(draw_known(200, seed=1)[0]), detector.score(draw_novel(50))
    assert known.dtype == np.float64
    assert known.shape == (200,)
    assert novel.min() > known.max()


def test_the_threshold_lets_the_promised_share_pass(detector) -> None:
    detector.set_threshold(detector.score(draw_known(1999, seed=1)[0]), acceptance=0.9)
    passed = ~detector.is_novel(detector.score(draw_known(4000, seed=2)[0]))
    assert 0.87 < passed.mean() < 0.93  # four standard errors either way
    assert detector.is_novel(detector.score(draw_novel(50))).all()


def test_the_threshold_is_the_score_of_the_conformal_rank() -> None:
    detector = NoveltyDetector().fit(*draw_known(30))
    scores = np.arange(1.0, 20.0)[::-1]
    assert detector.set_threshold(scores, acceptance=0.95) == 19  # ceil(20 * 0.95) of 19
    assert detector.set_threshold(scores, acceptance=0.9) == 18
    assert detector.is_novel(np.array([18.0, 18.5])).tolist() == [False, True]


def test_too_few_held_out_rows_promise_nothing_and_let_all_pass() -> None:
    detector = NoveltyDetector().fit(*draw_known(30))
    assert detector.set_threshold(np.arange(98.0), acceptance=0.99) == np.inf
    assert not detector.is_novel(np.array([1e9])).any()
    assert detector.set_threshold(np.array([]), acceptance=0.5) == np.inf


def test_a_small_p_value_and_a_novel_ticket_are_the_same() -> None:
    detector = NoveltyDetector().fit(*draw_known(30))
    detector.set_threshold(np.arange(1.0, 40.0), acceptance=0.95)
    scores = np.array([0.0, 20.0, 37.0, 38.0, 38.5, 39.0, 40.0])
    p_values = detector.p_value(scores)
    np.testing.assert_allclose(p_values * 40, [40, 21, 4, 3, 2, 2, 1])
    np.testing.assert_array_equal(p_values <= 0.05, detector.is_novel(scores))


def test_a_saved_detector_answers_the_same(detector, tmp_path) -> None:
    detector.set_threshold(detector.score(draw_known(200, seed=1)[0]), acceptance=0.97)
    detector.save(tmp_path)
    restored = NoveltyDetector.load(tmp_path)
    rows = np.vstack([draw_known(40, seed=3)[0], draw_novel(4)])
    scores = detector.score(rows)
    np.testing.assert_array_equal(restored.score(rows), scores)
    np.testing.assert_array_equal(restored.is_novel(scores), detector.is_novel(scores))
    np.testing.assert_array_equal(restored.p_value(scores), detector.p_value(scores))
    assert restored.params == detector.params


def test_a_detector_without_a_threshold_is_saved_without_one(detector, tmp_path) -> None:
    detector.save(tmp_path)
    with pytest.raises(ModelError, match="set_threshold"):
        NoveltyDetector.load(tmp_path).is_novel(np.zeros(1))


def test_one_row_alone_scores_as_it_does_among_many(detector) -> None:
    rows = draw_known(2500, seed=4)[0]
    alone = [detector.score(rows[i : i + 1])[0] for i in (0, 1024, 2499)]
    np.testing.assert_allclose(detector.score(rows)[[0, 1024, 2499]], alone, rtol=1e-3, atol=1e-5)


def test_no_rows_have_no_scores(detector) -> None:
    assert detector.score(np.zeros((0, DIMENSION), np.float32)).shape == (0,)


def test_rows_without_a_label_are_left_out(detector) -> None:
    rows, classes = draw_known(300)
    with_missing = NoveltyDetector(detector.params).fit(
        np.vstack([rows, draw_novel(5)]), [*classes, *[-100] * 5]
    )
    probe = draw_novel(3)
    np.testing.assert_array_equal(with_missing.score(probe), detector.score(probe))


@pytest.mark.parametrize("method", METHODS)
def test_without_labels_all_known_tickets_are_one_class(method: str) -> None:
    params = NoveltyParams(method=method)
    rows = draw_known(300)[0]
    one = NoveltyDetector(params).fit(rows, [4] * 300).score(draw_novel(5))
    np.testing.assert_array_equal(NoveltyDetector(params).fit(rows).score(draw_novel(5)), one)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_rows_give_finite_scores_of_which_the_known_is_the_lower(method: str, n: int) -> None:
    rows = draw_known(n)[0]
    detector = NoveltyDetector(NoveltyParams(method=method)).fit(rows, list(range(n)))
    known, novel = detector.score(rows), detector.score(draw_novel(3))
    assert np.isfinite(known).all()
    assert np.isfinite(novel).all()
    # Classes of a row or two and their background are the same: a difference of them says nothing.
    assert known.max() < novel.min() or method == "relative"


@pytest.mark.parametrize("method", METHODS)
def test_features_that_never_vary_do_no_harm(method: str) -> None:
    rows = np.ones((20, 4), np.float32)
    detector = NoveltyDetector(NoveltyParams(method=method)).fit(rows, [0, 1] * 10)
    assert np.isfinite(detector.score(np.array([[1, 1, 1, 1], [0, 0, 0, 0]]))).all()


def test_the_shrinkage_asked_for_is_used() -> None:
    rows, classes = draw_known(300)
    round_ones = NoveltyParams(method="mahalanobis", shrinkage=1.0)
    scores = NoveltyDetector(round_ones).fit(rows, classes).score(draw_novel(20))
    means = np.stack([rows[np.array(classes) == c].mean(axis=0) for c in range(3)])
    away = ((draw_novel(20)[:, None] - means) ** 2).sum(axis=2).min(axis=1)
    np.testing.assert_allclose(scores / away, (scores / away).mean(), rtol=1e-3)


def test_no_more_neighbours_are_kept_than_asked_for(tmp_path) -> None:
    params = NoveltyParams(method="neighbours", neighbours=40, seed=3)
    NoveltyDetector(params).fit(*draw_known(300)).save(tmp_path)
    assert load_file(tmp_path / "novelty.safetensors")["neighbours"].shape == (40, DIMENSION)


def test_a_ticket_is_measured_in_a_fraction_of_a_millisecond() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 768)).astype(np.float32)
    detector = NoveltyDetector().fit(rows, [i % 150 for i in range(300)])
    seconds = []
    for _ in range(50):
        began = time.process_time()
        detector.score(rows[:1])
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.0003


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.zeros(4), None, r"shape \(n, d\)"),
        (np.full((2, 4), np.nan), None, "finite"),
        (np.full((2, 4), np.inf), None, "finite"),
        (np.zeros((2, 4)), [0], "2 class positions"),
        (np.zeros((2, 4)), ["a", "b"], "2 class positions"),
        (np.zeros((2, 4)), [-1, -1], "at least one labelled row"),
        (np.zeros((0, 4)), [], "at least one labelled row"),
        (np.zeros((2, 0)), None, "at least one feature"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(features, labels, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        NoveltyDetector().fit(features, labels)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((1, DIMENSION + 1)), "17 features per row, but 16"),
        (np.zeros(DIMENSION), r"shape \(n, d\)"),
        (np.full((1, DIMENSION), np.nan), "finite"),
    ],
)
def test_features_unlike_those_learned_are_refused(detector, features, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        detector.score(features)


def test_nothing_is_told_before_fit_or_before_there_is_a_threshold(tmp_path) -> None:
    with pytest.raises(NotFittedError):
        NoveltyDetector().score(np.zeros((1, 2), np.float32))
    with pytest.raises(NotFittedError):
        NoveltyDetector().save(tmp_path)
    fitted = NoveltyDetector().fit(*draw_known(30))
    for ask in (fitted.is_novel, fitted.p_value):
        with pytest.raises(ModelError, match="set_threshold"):
            ask(np.zeros(1))


def test_fitting_anew_forgets_the_threshold() -> None:
    fitted = NoveltyDetector().fit(*draw_known(30))
    fitted.set_threshold(np.arange(9.0), 0.5)
    assert fitted.fit(*draw_known(30)).held_out_ is None


@pytest.mark.parametrize("scores", [np.zeros((2, 2)), np.array([np.nan])])
def test_scores_that_are_no_list_of_numbers_are_refused(scores) -> None:
    with pytest.raises(ModelError, match="scores must be numbers"):
        NoveltyDetector().fit(*draw_known(30)).set_threshold(scores)


@pytest.mark.parametrize("acceptance", [0.0, 1.0, np.nan])
def test_an_acceptance_outside_of_0_and_1_is_refused(acceptance: float) -> None:
    with pytest.raises(ModelError, match="between 0 and 1"):
        NoveltyDetector().fit(*draw_known(30)).set_threshold(np.zeros(9), acceptance)


def test_unknown_params_are_refused() -> None:
    with pytest.raises(ValidationError):
        NoveltyParams(methods="centroids")


def test_a_folder_that_is_not_whole_is_refused(tmp_path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        NoveltyDetector.load(tmp_path)
    NoveltyDetector().fit(*draw_known(30)).save(tmp_path)
    (tmp_path / "novelty.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BundleError, match="cannot be read"):
        NoveltyDetector.load(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"means": np.zeros((3, DIMENSION), np.float32)}, "holds"),
        ({"centroids": np.zeros((3, 2), np.float32)}, "16 wide"),
        ({"centroids": np.zeros((0, DIMENSION), np.float32)}, "16 wide"),
        ({"centroids": np.full((3, DIMENSION), np.nan, np.float32)}, "not finite"),
        ({"centroids": np.ones((3, DIMENSION), np.float32), "held_out": np.ones(3)}, "disagree"),
    ],
)
def test_arrays_that_do_not_fit_the_facts_are_refused(tmp_path, arrays, message: str) -> None:
    NoveltyDetector().fit(*draw_known(30)).save(tmp_path)
    save_file(arrays, tmp_path / "novelty.safetensors")
    with pytest.raises(BundleError, match=message):
        NoveltyDetector.load(tmp_path)


def test_held_out_scores_that_are_no_numbers_are_refused(tmp_path) -> None:
    detector = NoveltyDetector().fit(*draw_known(30))
    detector.set_threshold(np.zeros(9))
    detector.save(tmp_path)
    arrays = load_file(tmp_path / "novelty.safetensors")
    save_file(arrays | {"held_out": np.full(3, np.nan)}, tmp_path / "novelty.safetensors")
    with pytest.raises(BundleError, match="held_out"):
        NoveltyDetector.load(tmp_path)
